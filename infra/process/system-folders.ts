/** Where Debian keeps commands for root, which other users' PATH leaves out. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** PATH with the folders for root's commands in it, which we call through sudo or just ask about. */
export function withSystemFolders(path: string | undefined): string {
  const folders = (path ?? "").split(":").filter(Boolean);
  return [...folders, ...SYSTEM_FOLDERS.filter((folder) => !folders.includes(folder))].join(":");
}
