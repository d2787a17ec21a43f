/**
 * An answer that comes within `ms` milliseconds; rejects otherwise, with `tooLate` or with an error of code
 * ETIMEDOUT. The time-outs of drivers are not enough: MySQL's leaves out the preparing of a statement, and the
 * wait for a connection.
 */
export async function within<T>(ms: number, answer: Promise<T>, tooLate: () => Error = () => noAnswer(ms)): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(tooLate()), ms);
  });
  try {
    return await Promise.race([answer, timeUp]);
  } finally {
    clearTimeout(timer);
  }
}

function noAnswer(ms: number): Error {
  return Object.assign(new Error(`no answer within ${ms} ms`), { code: "ETIMEDOUT" });
}
