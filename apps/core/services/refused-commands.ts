/** Commands that an instance refuses to its holder for one reason. */
export type RefusedCommands = {
  /** As they are typed; a command with subcommands stands for all of them that do something. */
  readonly commands: readonly string[];
  /** Why, as the second half of "X is not available here: …". */
  readonly why: string;
};

/** What a command is refused for that no reason is given for. */
export const USUAL_REASON = "it administers the server, which the service does for you";

/**
 * All commands that an instance's rights refuse (`OWNER_RIGHTS`), for the console, the API's reference and
 * docs/commands.md. A test compares the list with what a running instance refuses.
 */
export const refusedCommands: readonly RefusedCommands[] = [
  { commands: ["CONFIG", "LATENCY", "SLOWLOG", "COMMANDLOG"], why: USUAL_REASON },
  {
    commands: [
      "ACL DELUSER",
      "ACL DRYRUN",
      "ACL GETUSER",
      "ACL LIST",
      "ACL LOAD",
      "ACL LOG",
      "ACL SAVE",
      "ACL SETUSER",
      "ACL USERS",
    ],
    why: "users and their rights are fixed",
  },
  { commands: ["MODULE"], why: "no modules can be loaded" },
  { commands: ["SAVE", "BGSAVE", "BGREWRITEAOF", "LASTSAVE"], why: "an instance keeps nothing on disk" },
  { commands: ["REPLICAOF", "SLAVEOF"], why: "an instance copies no other server" },
  { commands: ["FAILOVER", "PSYNC", "REPLCONF", "SYNC"], why: "an instance has no replicas" },
  { commands: ["CLUSTER"], why: "an instance is a single server, and no part of a cluster" },
  { commands: ["MIGRATE"], why: "an instance opens no connections to other servers" },
  {
    commands: ["RESTORE", "RESTORE-ASKING", "FUNCTION RESTORE"],
    why: "servers have had faults in reading such data that let its sender in",
  },
  {
    commands: ["DEBUG", "PFDEBUG", "PFSELFTEST", "SCRIPT DEBUG"],
    why: "it is for those who develop Redis, and can stop the server",
  },
  { commands: ["MONITOR"], why: "it slows the server down with each command of everybody" },
  { commands: ["CLIENT PAUSE", "CLIENT UNPAUSE"], why: "it would stop the server for the service as well" },
  { commands: ["CLIENT NO-EVICT"], why: "no connection may take more memory than its share" },
  { commands: ["SHUTDOWN"], why: "an instance runs until its time is up, or until you end it" },
  { commands: ["LOLWUT"], why: "it only costs processor time" },
];

/** Why a command is refused, by its first one or two words in capital letters. */
export function reasonOfRefusal(command: string): string {
  const [first = ""] = command.split(" ");
  const isNamed = ({ commands }: RefusedCommands, name: string) => commands.includes(name);
  const reason =
    refusedCommands.find((each) => isNamed(each, command)) ?? refusedCommands.find((each) => isNamed(each, first));
  return reason?.why ?? USUAL_REASON;
}
