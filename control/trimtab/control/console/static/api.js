// The HTTP API: answers as data, refusals as errors in words, events as they come.

const ROOT = "/api/v1";
const SILENCE_MS = 40_000; // the server says something every 15 s
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/** What the server refused, in its own words. */
export class Refused extends Error {
  constructor(status, problem) {
    const fields = (problem.errors ?? []).map(({ field, rule }) => `${field}: ${rule}`).join("; ");
    super([problem.detail || problem.title || `the server answered ${status}`, fields].filter(Boolean).join(" — "));
    this.status = status;
  }
}

async function asked(path, options = {}) {
  const answer = await fetch(ROOT + path, { credentials: "same-origin", cache: "no-store", ...options }).catch(() => {
    throw new Error("The server does not answer.");
  });
  const isJson = /json/.test(answer.headers.get("content-type") ?? "");
  const body = isJson ? await answer.json() : {};
  if (!answer.ok) throw new Refused(answer.status, body);
  return body;
}

export const get = (path) => asked(path);

/** Sends an order; the same one sent twice is carried out once. */
export function post(path, body, headers = {}) {
  return asked(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });
}

export const remove = (path) => asked(path, { method: "DELETE" });

/** Gives a key that no other order has. */
export function freshKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Follows a stream of events until `stop()`; after every break it goes on where it was.
 *
 * `EventSource` gives up for good at an answer that is not 200, such as that of a proxy whose server is being started
 * again, and a new one cannot say where it was: hence `fetch`.
 * `onEvent(kind, data)`; `onState({state: "live" | "lost" | "refused", error, retryMs})`.
 */
export function follow(path, { lastId = "", onEvent, onState }) {
  const ended = new AbortController();
  let id = lastId;
  let wake = () => {};
  const read = async () => {
    const silent = new AbortController();
    let timer = 0;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(new Error("the server fell silent")), SILENCE_MS);
    };
    heard();
    try {
      const answer = await fetch(ROOT + path, {
        headers: { accept: "text/event-stream", ...(id && { "last-event-id": id }) },
        signal: AbortSignal.any([ended.signal, silent.signal]),
        credentials: "same-origin",
        cache: "no-store",
      });
      if (!answer.ok) throw new Refused(answer.status, await answer.json().catch(() => ({})));
      onState({ state: "live" });
      for await (const event of events(answer.body, heard)) {
        onEvent(event.kind, JSON.parse(event.data));
        id = event.id || id; // only now: what failed on the way is asked for again
      }
      throw new Error("the server ended the stream");
    } finally {
      clearTimeout(timer);
    }
  };
  (async () => {
    let pauseMs = FIRST_PAUSE_MS;
    while (!ended.signal.aborted) {
      const began = Date.now();
      try {
        await read();
      } catch (error) {
        if (ended.signal.aborted) return;
        if (error.status === 401 || error.status === 404) return onState({ state: "refused", error });
        if (Date.now() - began > LONGEST_PAUSE_MS) pauseMs = FIRST_PAUSE_MS;
        onState({ state: "lost", error, retryMs: pauseMs });
      }
      await new Promise((resolve) => {
        wake = resolve;
        setTimeout(resolve, pauseMs * (0.75 + Math.random() / 2)); // not all viewers at once
      });
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    }
  })();
  return { stop: () => ended.abort(), retry: () => wake() };
}

async function* events(body, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    heard();
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = parsed(block);
      if (event.data) yield event;
    }
  }
}

function parsed(block) {
  const event = { kind: "message", data: "", id: "" };
  for (const line of block.split("\n")) {
    const [, field, value] = /^(\w*):? ?(.*)$/.exec(line) ?? [];
    if (field === "event") event.kind = value;
    else if (field === "id") event.id = value;
    else if (field === "data") event.data += (event.data && "\n") + value;
  }
  return event;
}
