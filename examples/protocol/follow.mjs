// Follows the weights of a release over Redis, and publishes an outcome over Kafka, without any code of ours.
//
//     npm install kafkajs
//     KAFKA=127.0.0.1:9092 REDIS=127.0.0.1:6379 node follow.mjs checkout
//
// Prints each newer revision, and tells of one `converted` as of the first variant of each.
import { createConnection } from "node:net";
import { Kafka, logLevel } from "kafkajs";

const release = process.argv[2] ?? "checkout";
const key = `trimtab:{${release}}:weights`; // the braces are literal; the channel has the same name
const [host, port] = process.env.REDIS.split(":");
const kafka = new Kafka({ clientId: "follow", brokers: [process.env.KAFKA], logLevel: logLevel.ERROR });
const producer = kafka.producer();
await producer.connect();

let newest = [0, 0];

async function take(payload) {
  const { era, revision, weights } = JSON.parse(payload);
  // Never back: messages may come twice, and those of the subscription before the key was read.
  if (era < newest[0] || (era === newest[0] && revision <= newest[1])) return;
  newest = [era, revision];
  console.log(JSON.stringify({ era, revision, weights }));
  const [variant] = Object.keys(weights);
  const outcome = {
    kind: "outcome", release, variant, era, revision, metric: "converted", value: 1, time_ms: Date.now(),
  };
  await producer.send({ topic: "trimtab.telemetry", messages: [{ key: "follow", value: JSON.stringify(outcome) }] });
}

// Replies of Redis (RESP), as far as these two commands need them.
function parse(text, at = 0) {
  const end = text.indexOf("\r\n", at);
  if (end < 0) return null;
  const [kind, rest] = [text[at], text.slice(at + 1, end)];
  if (kind === "$") {
    const size = Number(rest);
    if (size < 0) return [null, end + 2];
    return text.length < end + 4 + size ? null : [text.slice(end + 2, end + 2 + size), end + 4 + size];
  }
  if (kind !== "*") return [rest, end + 2];
  const items = [];
  let next = end + 2;
  for (let left = Number(rest); left > 0; left -= 1) {
    const one = parse(text, next);
    if (one === null) return null;
    items.push(one[0]);
    next = one[1];
  }
  return [items, next];
}

function converse(command, heed) {
  const socket = createConnection({ host, port: Number(port) });
  let text = "";
  socket.setEncoding("latin1"); // a character a byte, as sizes count
  socket.on("error", (error) => { console.error(`redis: ${error.message}`); process.exit(1); });
  socket.on("data", (data) => {
    text += data;
    for (let reply = parse(text); reply !== null; reply = parse(text)) {
      text = text.slice(reply[1]);
      heed(reply[0]);
    }
  });
  socket.write(`*${command.length}\r\n` + command.map((word) => `$${word.length}\r\n${word}\r\n`).join(""));
}

// Subscribe, then read the key, then follow: in this order no revision falls between.
converse(["SUBSCRIBE", key], (reply) => {
  if (reply[0] === "message") take(reply[2]);
  else converse(["HGET", key, "weights"], (payload) => payload !== null && take(payload));
});
