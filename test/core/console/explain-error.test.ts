import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { explainError, notAvailable } from "../../../apps/core/console/explain-error.ts";

describe("an explained error", () => {
  it("says that a command is not available and why, and passes on no advice to change or restart the server", () => {
    for (const [error, said] of [
      [
        'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a ' +
          "local connection, otherwise you need to set this option in the configuration file, and then restart the server.",
        "DEBUG is not available here: it is for those who develop Redis, and can stop the server.",
      ],
      [
        "ERR MODULE command not allowed. If the enable-module-command option is set to ...",
        "MODULE is not available here: no modules can be loaded.",
      ],
      [
        "NOPERM this user has no permissions to run the 'config|get' command",
        "CONFIG GET is not available here: it administers the server, which the service does for you.",
      ],
      // Since Redis 7.2, and in Valkey.
      [
        "NOPERM User default has no permissions to run the 'replicaof' command",
        "REPLICAOF is not available here: an instance copies no other server.",
      ],
    ] as const)
      assert.equal(explainError(error), said);
  });

  it("tells how to stop a script, by the command that stops it, and when nothing can", () => {
    const busy = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
    assert.match(explainError(busy) ?? "", /^A script is running, .* SCRIPT KILL stops it/);
    assert.match(explainError(busy.replace("SCRIPT", "FUNCTION")) ?? "", / FUNCTION KILL stops it/);
    const unkillable =
      "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the " +
      "script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.";
    assert.match(explainError(unkillable) ?? "", /^The script has written data, .* end this instance/);
  });

  it("leaves all other errors as the server has sent them", () => {
    for (const error of [
      "ERR unknown command 'DEBUGGER', with args beginning with: ",
      "WRONGTYPE Operation against a key holding the wrong kind of value",
      "NOPERM this user has no permissions to access one of the keys used as arguments",
      "OOM command not allowed when used memory > 'maxmemory'.",
      "ERR value is not BUSY",
    ])
      assert.equal(explainError(error), undefined, error);
  });

  it("names the command as it is written, of any case", () => {
    assert.match(
      notAvailable("acl setuser"),
      /^ACL SETUSER is not available here: users and their rights are fixed\.$/,
    );
  });
});
