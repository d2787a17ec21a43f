const KB = 1024;

/**
 * Bytes as people say them: "512 B", "1.2 MB".
 * @param {number} bytes
 */
export function bytesInWords(bytes) {
  if (bytes < KB) return `${bytes} B`;
  const [size, unit] = bytes < KB * KB ? [bytes / KB, "KB"] : [bytes / KB / KB, "MB"];
  return `${size < 10 ? Number(size.toFixed(1)) : Math.round(size)} ${unit}`;
}
