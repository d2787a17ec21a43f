import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { createConnection, type Socket } from "node:net";
import { TOO_MANY, WRONG_PASSWORD } from "../../../apps/core/edge/concierge.ts";
import {
  command,
  DOMAIN,
  startLeaseHaproxy,
  startStandIn,
  talkTo,
  type LeaseHaproxy,
  type Talk,
} from "../../bed/lease-plane.ts";
import { handPortsOn } from "../../bed/hand-on-ports.ts";
import { until } from "../../bed/until.ts";

const ID = "5sq9fsfr26iw58ze";
const PASSWORD = `${ID}83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84`;
const UNKNOWN = `0000000000000000${PASSWORD.slice(16)}`;
const MOST = 20;
const MOST_OF_ALL = 50;

describe("leases through HAProxy", () => {
  let haproxy: LeaseHaproxy;
  let instance: Awaited<ReturnType<typeof startStandIn>>;
  const talks: Talk[] = [];
  before(async () => {
    haproxy = await startLeaseHaproxy({
      loginMs: 2_000,
      connectionsPerLease: MOST,
      connectionsOfAll: MOST_OF_ALL,
      connectionsPerAddress: 60,
    });
    instance = await startStandIn();
    await haproxy.plane.changeRoutes([{ kind: "add", id: ID, target: instance.target }]);
    haproxy.known.add(ID);
  });
  after(async () => {
    instance.close();
    await haproxy.stop();
  });
  afterEach(async () => {
    for (const { socket } of talks.splice(0)) socket.destroy();
    await until("all are gone", async () => (await haproxy.plane.readFacts()).connections === 0);
  });

  async function talk(...given: Parameters<typeof talkTo>): Promise<Talk> {
    const begun = await talkTo(...given);
    talks.push(begun);
    return begun;
  }
  const heard = (begun: Talk, text: string) => until(`to hear ${text}`, () => begun.heard().includes(text));
  const closed = (begun: Talk) => until("it is closed", begun.isClosed);
  /** Logs in, in so many pieces, and asks who is there. */
  async function reach(begun: Talk, ...pieces: string[]): Promise<string> {
    for (const piece of pieces) begun.say(piece);
    await heard(begun, "+OK\r\n");
    begun.say(command("WHO"));
    await heard(begun, instance.target);
    return begun.heard();
  }

  const logins = {
    "AUTH with a password": command("AUTH", PASSWORD),
    "AUTH with user and password, in small letters": command("auth", "default", PASSWORD),
    "HELLO with AUTH and SETNAME": command("HELLO", "3", "AUTH", "default", PASSWORD, "SETNAME", "mine"),
  };

  it("counts TLS handshakes, by how they come out, and the bytes of those who come", async () => {
    const before = await haproxy.plane.readFacts();
    await reach(await talk(haproxy.port, { ca: haproxy.ca }), command("AUTH", PASSWORD));
    const stranger = await talk(haproxy.port);
    stranger.say("PING\r\n");
    await closed(stranger);
    for (const { socket } of talks) socket.destroy();
    const facts = await until("bytes are counted, as they are when connections end", async () => {
      const now = await haproxy.plane.readFacts();
      return now.bytesIn > before.bytesIn && now.bytesOut > before.bytesOut ? now : undefined;
    });
    assert.equal(facts.handshakes, before.handshakes + 1);
    assert.equal(facts.failedHandshakes, before.failedHandshakes + 1);
    assert.ok(facts.mostConnections > 0);
  });

  for (const [name, login] of Object.entries(logins)) {
    it(`finds an instance by ${name}, with TLS and without`, async () => {
      assert.equal(await reach(await talk(haproxy.plainPort), login), `+OK\r\n+${instance.target}\r\n`);
      assert.equal(await reach(await talk(haproxy.port, { ca: haproxy.ca }), login), `+OK\r\n+${instance.target}\r\n`);
    });

    it(`finds an instance by ${name} that comes byte by byte`, async () => {
      const begun = await talk(haproxy.plainPort);
      begun.socket.setNoDelay();
      for (const byte of Array.from(login)) {
        begun.say(byte);
        await new Promise(setImmediate);
      }
      await reach(begun);
    });
  }

  it("finds an instance by the name that a client tells, whatever its password is", async () => {
    const name = `${ID}.${DOMAIN}`;
    await reach(await talk(haproxy.port, { ca: haproxy.ca, name }), command("AUTH", "a password of before"));
    await reach(await talk(haproxy.port, { ca: haproxy.ca, name: name.toUpperCase() }), command("AUTH", PASSWORD));
    const foreign = await talk(haproxy.port, { ca: haproxy.ca, name: "redis.example.org" });
    await reach(foreign, command("AUTH", PASSWORD));
  });

  it("sends all that comes after a log-in in one piece on with it", async () => {
    const begun = await talk(haproxy.plainPort);
    begun.say(command("AUTH", PASSWORD) + command("WHO"));
    await heard(begun, instance.target);
  });

  it("answers whoever asks before a log-in, and takes the log-in afterwards", async () => {
    for (const begun of [
      await talk(haproxy.plainPort),
      await talk(haproxy.port, { ca: haproxy.ca, name: `${ID}.${DOMAIN}` }),
    ]) {
      begun.say(command("PING"));
      await heard(begun, "-NOAUTH Authentication required.\r\n");
      begun.say(command("HELLO", "3"));
      await heard(begun, "-NOAUTH HELLO");
      await reach(begun, command("AUTH", PASSWORD));
    }
    await reach(await talk(haproxy.plainPort), `AUTH ${PASSWORD}\r\n`);
  });

  it("answers unknown instances, ended ones and foreign ones alike, with or without a name", async () => {
    await haproxy.plane.changeRoutes([{ kind: "add", id: "e".repeat(16), target: instance.target }]);
    await haproxy.plane.changeRoutes([{ kind: "delete", id: "e".repeat(16) }]);
    for (const [tls, password] of [
      [undefined, UNKNOWN],
      [undefined, `${"e".repeat(16)}${PASSWORD.slice(16)}`],
      [undefined, "short"],
      [{ ca: haproxy.ca }, UNKNOWN],
      [{ ca: haproxy.ca, name: `0000000000000000.${DOMAIN}` }, PASSWORD],
      [{ ca: haproxy.ca, name: `${"e".repeat(16)}.${DOMAIN}` }, PASSWORD],
    ] as const) {
      const begun = await talk(tls ? haproxy.port : haproxy.plainPort, tls);
      begun.say(command("AUTH", password));
      await until("an answer", () => begun.heard());
      assert.equal(begun.heard(), WRONG_PASSWORD);
    }
  });

  it("leaves no connection at an instance that has refused its password, and tells the client what it said", async () => {
    const begun = await talk(haproxy.plainPort);
    begun.say(command("AUTH", `${ID}-this-is-wrong`));
    await closed(begun);
    assert.equal(begun.heard(), "-WRONGPASS no\r\n");
    assert.equal(instance.connections(), 0);
  });

  it("does not bother an instance before a log-in has come whole", async () => {
    const before = instance.accepted();
    const begun = await talk(haproxy.port, { ca: haproxy.ca, name: `${ID}.${DOMAIN}` });
    begun.say(command("AUTH", PASSWORD).slice(0, -1));
    const other = await talk(haproxy.plainPort);
    other.say(command("PING"));
    await heard(other, "-NOAUTH");
    assert.equal(instance.accepted(), before);
  });

  it("closes those that say nothing, half a log-in, or no more than PING, once their time is over, and nobody who is in", async () => {
    const idle = [
      await talk(haproxy.plainPort),
      await talk(haproxy.port, { ca: haproxy.ca }),
      await talk(haproxy.plainPort),
    ];
    for (const [index, each] of idle.entries())
      await reach(each, `${index === 2 ? command("PING") : ""}${command("AUTH", PASSWORD)}`);
    const silent = await talk(haproxy.plainPort);
    const half = await talk(haproxy.plainPort);
    half.say("*2\r\n$4\r\nAU");
    const asking = await talk(haproxy.plainPort);
    asking.say(command("PING"));
    const handshake = createConnection({ port: haproxy.port, host: "127.0.0.1" });
    let isOver = false;
    handshake.on("close", () => (isOver = true));
    handshake.on("error", () => undefined);
    handshake.write(Buffer.from("160301", "hex"));
    for (const each of [silent, half, asking]) await closed(each);
    await until("the handshake is given up", () => isOver);
    assert.equal(silent.heard() + half.heard(), "");
    // Those began after them: their time would be over as well soon.
    const later = await talk(haproxy.plainPort);
    await closed(later);
    for (const each of idle) {
      const before = each.heard().length;
      each.say(command("WHO"));
      await until("an answer", () => each.heard().slice(before).includes(instance.target));
    }
  });

  it("serves others while a thousand handshakes never finish, which are over when their time is", async () => {
    const open = new Set<Socket>();
    const stuck = Array.from({ length: 1_000 }, (_, number) => {
      const localAddress = `127.0.1.${1 + (number % 25)}`;
      const socket = createConnection({ port: haproxy.port, host: "127.0.0.1", localAddress });
      socket.on("connect", () => {
        open.add(socket);
        socket.write(Buffer.from("160301", "hex"));
      });
      socket.on("close", () => void open.delete(socket));
      socket.on("error", () => undefined);
      return socket;
    });
    try {
      await until("all have begun", () => open.size === stuck.length);
      await reach(await talk(haproxy.port, { ca: haproxy.ca }), command("AUTH", PASSWORD));
      assert.ok(open.size > 0, "they have not finished");
      await until("all are over", () => open.size === 0);
    } finally {
      for (const socket of stuck) socket.destroy();
    }
  });

  it("lets in as many connections of an address as an instance has for it, and one more when one ends", async () => {
    const all = await Promise.all(Array.from({ length: MOST + 10 }, () => talk(haproxy.plainPort)));
    for (const each of all) each.say(command("AUTH", PASSWORD));
    const isIn = (each: Talk) => each.heard() === "+OK\r\n" && !each.isClosed();
    await until("all have their answer", () => all.every((each) => isIn(each) || each.isClosed()));
    assert.equal(all.filter(isIn).length, MOST);
    assert.deepEqual(new Set(all.map((each) => each.heard())), new Set(["+OK\r\n", TOO_MANY]));
    all.find(isIn)?.socket.destroy();
    await until("another one gets in", async () => {
      const one = await talk(haproxy.plainPort);
      one.say(command("AUTH", PASSWORD));
      await until("an answer", () => one.heard() !== "" || one.isClosed());
      return isIn(one);
    });
  });

  it("counts those that ask first in the same way, and calls no right password wrong", async () => {
    const all = await Promise.all(Array.from({ length: MOST + 5 }, () => talk(haproxy.plainPort)));
    for (const each of all) each.say(command("PING") + command("AUTH", PASSWORD));
    const isIn = (each: Talk) => each.heard().includes("+OK\r\n") && !each.isClosed();
    await until("all have their answer", () => all.every((each) => isIn(each) || each.isClosed()));
    assert.equal(all.filter(isIn).length, MOST);
    assert.ok(all.every((each) => !each.heard().includes("WRONGPASS")));
  });

  /** Some from each of so many addresses, none of which closes by itself. */
  async function crowd(addresses: number, ofEach: number): Promise<Talk[]> {
    const from = Array.from({ length: addresses * ofEach }, (_, number) => `127.0.0.${2 + (number % addresses)}`);
    return Promise.all(from.map((address) => talk(haproxy.plainPort, undefined, undefined, address)));
  }

  it("lets in as many connections of all addresses as an instance has, and tells the next ones in Redis's words", async () => {
    const all = await crowd(3, MOST);
    for (const each of all) each.say(command("AUTH", PASSWORD));
    const isIn = (each: Talk) => each.heard() === "+OK\r\n" && !each.isClosed();
    await until("all have their answer", () => all.every((each) => isIn(each) || each.isClosed()));
    assert.equal(all.filter(isIn).length, MOST_OF_ALL);
    assert.ok(all.every((each) => isIn(each) || each.heard() === TOO_MANY));
    all.find(isIn)?.socket.destroy();
    await until("another one gets in", async () => {
      const one = await talk(haproxy.plainPort);
      one.say(command("PING") + command("AUTH", PASSWORD));
      await until("an answer", () => one.heard().includes("OK") || one.isClosed());
      assert.ok(one.heard().endsWith(one.isClosed() ? TOO_MANY : "+OK\r\n"));
      return !one.isClosed();
    });
  });

  it("keeps an instance for its holder, whatever crowds do that come from everywhere and do not know the password", async () => {
    const wrong = `${ID}-this-is-wrong`;
    const sized = (words: string, told: string) => words.replace(`$${wrong.length}`, told);
    const pieces = [
      command("AUTH", wrong).slice(0, -1),
      sized(command("AUTH", wrong), "$500"),
      command("AUTH", "default", wrong).replace("$7", "$50"),
      sized(command("HELLO", "3", "AUTH", "default", wrong), "$700"),
      command("HELLO", "3", "AUTH", "default", wrong, "SETNAME", "mine").replace("$4\r\nmine", "$400\r\nmine"),
      command("PING") + sized(command("AUTH", wrong), "$500"),
    ];
    const refused = [command("AUTH", wrong), command("HELLO", "3", "AUTH", "default", wrong, "SETNAME", "mine")];
    const before = instance.accepted();
    const all = await crowd(8, 12);
    const [waiting, tried] = [all.slice(48), all.slice(0, 48)];
    for (const { socket } of all) socket.allowHalfOpen = true;
    for (const [index, each] of waiting.entries()) each.say(pieces[index % pieces.length] ?? "");
    for (const [index, each] of tried.entries()) each.say(refused[index % refused.length] ?? "");
    await until("all that could be are refused", () => tried.every((each) => each.heard().startsWith("-")));
    await until("nobody is left at the instance", () => instance.connections() === 0);
    await until("no place is taken", async () => !(await haproxy.tableOfTotals()).includes("key="));
    assert.ok(instance.accepted() <= before + tried.length, "of the others, it has not heard");
    assert.ok(waiting.every((each) => !each.isClosed()));
    const holder = await Promise.all(Array.from({ length: MOST }, () => talk(haproxy.plainPort)));
    for (const each of holder) await reach(each, command("AUTH", PASSWORD));
  });

  it("keeps nobody at an instance that does not answer to a log-in in time", async () => {
    const begun = await talk(haproxy.plainPort);
    begun.say(command("AUTH", `${ID}-is-not-answered`));
    await until("it has come there", () => instance.connections() === 1);
    await closed(begun);
    await until("it is gone there", () => instance.connections() === 0);
  });

  it("refuses an address that holds too many connections before any handshake", async () => {
    const held = await Promise.all(Array.from({ length: 60 }, () => talk(haproxy.plainPort)));
    await until("all are let in", async () => (await haproxy.plane.readFacts()).connections === held.length);
    await assert.rejects(talk(haproxy.port, { ca: haproxy.ca }));
    for (const { socket } of held) socket.destroy();
  });

  it("believes no PROXY header of a stranger", async () => {
    const begun = await talk(haproxy.plainPort);
    begun.say(`PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n${command("AUTH", PASSWORD)}`);
    await heard(begun, "-NOAUTH Authentication required.\r\n");
    await heard(begun, "+OK\r\n");
    assert.match(await haproxy.tableOfCallers(), new RegExp(`key=${ID}/127\\.0\\.0\\.1 `));
  });

  it("leads nobody who asks for the last instance to the next one on its port, from the moment that it is gone", async () => {
    const { count, crossed, refused } = await handPortsOn(haproxy, 500);
    assert.deepEqual({ crossed, refused }, { crossed: 0, refused: count });
  });

  it("carries what a client still gets after it has sent its last byte", async () => {
    for (const first of ["", command("PING")]) {
      const begun = await talk(haproxy.plainPort);
      begun.say(first + command("AUTH", PASSWORD));
      await heard(begun, "+OK\r\n");
      begun.socket.end(command("WHO"));
      await heard(begun, `${instance.target}\r\n+BYE\r\n`);
      await closed(begun);
    }
  });
});
