import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { Context } from "../context.ts";
import { stop, usage } from "../stopped.ts";

/** Where install.sh has the code; a single box has it in releases, and the one in service below `current`. */
const SENDERS = ["/opt/getaredis/current/infra/deploy/send-archive.sh", "/opt/getaredis/infra/deploy/send-archive.sh"];
/** Names of hosts and images stand in a shell's line on the other side. */
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9._:@/-]*$/;

/** `image`: images that hosts get from the operator. */
export function addImageRoom(program: CommandUnknownOpts, { world, show }: Context): void {
  const room = program.command("image").alias("images").description("Send images to hosts, for workloads.");

  room
    .command("send")
    .description("Send a host an image of this machine's Docker, for workloads whose image no registry has.")
    .argument("<host>", "name of the host")
    .argument("<image>", "image, as docker image list shows it")
    .option("--through <machine>", "control plane or single box, as ssh takes it (default: this machine is it)")
    .action(async (host, image, { through }) => {
      for (const text of [host, image]) if (!PLAIN.test(text)) throw usage(`${JSON.stringify(text)} is no name.`);
      if (through?.startsWith("-") === true) throw usage("--through wants a machine, such as root@redis.example.org.");
      const script = senderScript(host);
      const to = through === undefined ? ["sh", "-c", script] : ["ssh", through, script];
      const [saved, sent] = await world.remote.pipe(["docker", "save", image], to);
      if (saved !== 0 || sent !== 0) throw stop("refused", "not-sent", "The image was not sent", why(saved, sent));
      show.done({ host, image, sent: true }, `${host} has ${image}.`);
    });
}

/** A script of sh that sends a host what it reads: by what is installed there, which wants root. */
function senderScript(host: string): string {
  return (
    `for sender in ${SENDERS.join(" ")}; do [ -x $sender ] || continue; ` +
    `[ "$(id -u)" != 0 ] || exec $sender ${host}; exec sudo -n $sender ${host}; done; ` +
    "echo 'Get a Redis is not installed here.' >&2; exit 1"
  );
}

/** Either may be the cause of the other's end. */
function why(saved: number, sent: number): string {
  const sender = sent === 255 ? "ssh could not connect" : `the other side ended with ${sent}`;
  const ends = [...(saved === 0 ? [] : [`docker save ended with ${saved}`]), ...(sent === 0 ? [] : [sender])];
  return `${ends.join(", and ")}; what was said is above.`;
}
