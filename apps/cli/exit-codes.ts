/** How `getaredis` ends, for scripts: a code keeps its meaning for good. */
export const exitCodes = {
  done: { code: 0, meaning: "It is done, or taken on where the answer says so." },
  fault: { code: 1, meaning: "A fault of getaredis itself." },
  usage: { code: 2, meaning: "The command line is wrong: nothing was asked of the service." },
  notAllowed: { code: 3, meaning: "The token is missing or wrong, has expired, or its role is too low." },
  notFound: { code: 4, meaning: "There is no such instance, host, block, job or operator." },
  refused: { code: 5, meaning: "The service refuses it: a limit, a rule, or the state of what it is about." },
  later: { code: 6, meaning: "Not now: no room, paused, or too many requests. The same command may work later." },
  noService: { code: 7, meaning: "The service cannot be reached, does not answer in time, or has a fault." },
  interrupted: { code: 130, meaning: "Ctrl-C." },
} as const;

/** How a command ended. */
export type Ending = keyof typeof exitCodes;
