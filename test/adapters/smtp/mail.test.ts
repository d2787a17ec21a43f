import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { createMail } from "../../../apps/adapters/smtp/mail.ts";
import type { Payload } from "../../../apps/core/notifications/messages.ts";

const message = (messageId: string, text: string) => {
  const data = { text, alarm: "host:a", kind: "host-silent", host: "a", instance: null, since: null };
  const payload: Payload = { type: "host.lost", timestamp: "2026-01-01T00:00:00.000Z", data };
  return { messageId, payload: JSON.stringify(payload) };
};

describe("mails", () => {
  let servers: SMTPServer[];
  let mails: { from: string; to: string[]; text: string; user: unknown }[];
  let logins: (string | null | undefined)[];
  beforeEach(() => {
    servers = [];
    mails = [];
    logins = [];
  });
  afterEach(() => Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))));

  /** A mail server; resolves to its port. */
  async function serve(options: SMTPServerOptions = {}, host = "127.0.0.1"): Promise<number> {
    const server = new SMTPServer({
      authOptional: true,
      disabledCommands: ["STARTTLS"],
      onAuth: ({ username, password }, _session, done) => {
        logins.push(password);
        if (password === "right") done(null, { user: username });
        else done(new Error("535 wrong password"));
      },
      onData: (stream, { envelope, user }, done) => {
        let text = "";
        stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
        stream.on("end", () => {
          const from = envelope.mailFrom ? envelope.mailFrom.address : "";
          mails.push({ from, to: envelope.rcptTo.map(({ address }) => address), text, user });
          done();
        });
      },
      ...options,
    });
    server.on("error", () => undefined);
    servers.push(server);
    server.listen(0, host);
    await once(server.server, "listening");
    return (server.server.address() as AddressInfo).port;
  }

  const mailTo = (url: string, timeoutMs = 5_000) =>
    createMail({ url, from: "service@example.org", to: ["one@example.org", "two@example.org"], timeoutMs });

  it("hold all messages, with the first in the subject and an id that stays the same", async () => {
    const send = mailTo(
      `smtp://operator:right@127.0.0.1:${await serve({ hideSTARTTLS: true, allowInsecureAuth: true })}`,
    );
    assert.equal(
      await send([message("msg_1", "Host a is unhealthy.\r\nBcc: x@example.org"), message("msg_2", "Ünwell")]),
      undefined,
    );
    const [{ from, to, text, user } = assert.fail("no mail came")] = mails;
    assert.deepEqual([from, to, user], ["service@example.org", ["one@example.org", "two@example.org"], "operator"]);
    assert.match(text, /^Subject: \[Get a Redis\] 2 events: Host a is unhealthy\. Bcc: x@example\.org\r$/m);
    assert.match(text, /^Message-ID: <msg_1@getaredis>\r$/im);
    assert.match(text, /^Auto-Submitted: auto-generated\r$/im);
    assert.match(text, /host\.lost/);
    assert.doesNotMatch(text.split("\r\n\r\n")[0] ?? "", /^Bcc:/m, "a text cannot add a header");
  });

  it("send no password without TLS to another machine", async () => {
    // Not an address that counts as this machine.
    const port = await serve({ hideSTARTTLS: true, allowInsecureAuth: true }, "127.0.0.2");
    const fault = await mailTo(`smtp://operator:right@127.0.0.2:${port}`)([message("msg_1", "text")]);
    assert.match(fault ?? "", /^the mail server did not take it \(.*STARTTLS/i);
    assert.deepEqual([logins, mails], [[], []]);
  });

  it("say why a server does not take them, and nothing of the password", async () => {
    const port = await serve({ hideSTARTTLS: true, allowInsecureAuth: true });
    const fault = (await mailTo(`smtp://operator:wrong-word@127.0.0.1:${port}`)([message("msg_1", "text")])) ?? "";
    assert.match(fault, /^the mail server did not take it \(.*535/);
    assert.ok(!fault.includes("wrong-word"));
  });

  it("give up a server that hangs", async () => {
    const silent = createServer((socket) => socket.on("error", () => undefined));
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const fault = await mailTo(`smtp://127.0.0.1:${port}`, 200)([message("msg_1", "text")]);
    silent.close();
    assert.match(fault ?? "", /^the mail server did not take it \(.*(Greeting|timeout)/i);
  });

  it("give up a server that answers drop by drop", async () => {
    const dripping = createServer((socket) => {
      socket.on("error", () => undefined);
      const drops = setInterval(() => socket.write("220-"), 20);
      socket.once("close", () => clearInterval(drops));
    });
    dripping.listen(0, "127.0.0.1");
    await once(dripping, "listening");
    const { port } = dripping.address() as AddressInfo;
    const fault = await mailTo(`smtp://127.0.0.1:${port}`, 200)([message("msg_1", "text")]);
    dripping.close();
    assert.match(fault ?? "", /^the mail server did not take it \(.+\)$/);
  });
});
