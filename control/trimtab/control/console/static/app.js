// The frame around the pages: where one is, who one is, whether what is shown is of now.

import { get, post, remove } from "./api.js";
import { AuditPage } from "./audit_page.js";
import { el, patch } from "./dom.js";
import { clock } from "./format.js";
import { ReleasesPage } from "./list.js";
import { ModelPage, ModelsPage } from "./models_page.js";
import { ReleasePage } from "./release.js";

const NOTICE_MS = 8000;
const SIGNED_IN = "trimtab-signed-in"; // that there is a session to end: its cookie is not for scripts to see
const [root, trail, link, who, themeButton, notices, live] = [
  "main",
  "trail",
  "link",
  "who",
  "theme",
  "notice",
  "live",
].map((id) => document.getElementById(id));

const frame = {
  session: { role: "viewer", actor: "" },
  state: { state: "loading" },
  lostMs: 0,

  /** Takes what the page heard of its stream. */
  connection(state) {
    if (state.state === "refused") return this.failed(state.error);
    if (state.state === "lost" && this.state.state !== "lost") this.lostMs = Date.now();
    this.state = state;
    drawLink();
  },

  failed(error) {
    if (error.status === 401) return signIn();
    if (error.status === undefined) {
      // the server is not there yet, or again
      this.connection({ state: "lost", error });
      retryTimer = setTimeout(route, 1000);
      return;
    }
    page?.stop();
    page = null;
    patch(
      root,
      el(
        "div.card.hero",
        {},
        el("h1", {}, error.status === 404 ? absent(this.session) : "That did not work"),
        el("p", {}, error.message),
        el("p", {}, el("a", { href: "#/" }, "All releases")),
      ),
    );
  },

  notice(text) {
    patch(notices, el("p", {}, text));
    clearTimeout(this.noticeTimer);
    this.noticeTimer = setTimeout(() => patch(notices), NOTICE_MS);
  },

  say(text) {
    live.textContent = text;
  },
};

function absent({ catalogue }) {
  if (!location.hash.startsWith("#/models")) return "No such release";
  return catalogue ? "No such model" : "No catalogue of models";
}

let page = null;
let retryTimer = 0;

/** Keeps a word for the next visit; where storage is refused, for none. */
function remember(name, word) {
  try {
    localStorage.setItem(name, word);
  } catch {
    // It holds for this page only, then.
  }
}

function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return "";
  }
}

function drawLink() {
  const { state } = frame.state;
  const lost = state === "lost";
  link.className = `link ${state}`;
  document.body.classList.toggle("stale", lost);
  patch(
    link,
    el("i", { "aria-hidden": "true" }),
    state === "live" ? "Live" : state === "read" ? "As it was read" : lost ? `Not connected: what is shown is of ${clock(frame.lostMs)}` : "Connecting",
    lost &&
      el(
        "button",
        { type: "button", class: "quiet", onclick: () => (page?.stream ? page.retry() : route()) },
        "Try now",
      ),
  );
}

async function route() {
  clearTimeout(retryTimer);
  page?.stop();
  page = null;
  try {
    frame.session = await get("/session");
  } catch (error) {
    return frame.failed(error);
  }
  drawWho();
  const [, part = "releases", name] = /^#\/(releases|models|audit)(?:\/([^/]+))?$/.exec(location.hash) ?? [];
  patch(root, el("p.empty", {}, "Loading"));
  page = pageOf(part, name && decodeURIComponent(name));
  document.title = `${page.title} · Trimtab`;
  drawTrail(part, name && page.title);
}

function pageOf(part, name) {
  if (part === "audit") return new AuditPage(root, frame);
  if (part === "models") return name ? new ModelPage(root, frame, name) : new ModelsPage(root, frame);
  return name ? new ReleasePage(root, frame, name) : new ReleasesPage(root, frame);
}

function drawTrail(part, title) {
  const parts = [["releases", "Releases"], frame.session.catalogue && ["models", "Models"], ["audit", "Audit"]];
  patch(
    trail,
    parts
      .filter(Boolean)
      .map(([key, word]) =>
        el(
          "a",
          { "data-key": key, href: `#/${key}`, "aria-current": key === part && (title ? "true" : "page") },
          word,
        ),
      ),
    title && el("span.where", { "aria-current": "page", "data-key": "where" }, title),
  );
}

function drawWho() {
  const { actor, role, version } = frame.session;
  patch(
    who,
    el("span", { title: `Trimtab ${version}` }, actor || "anybody", el("small", {}, ` ${role}`)),
    remembered(SIGNED_IN) && el("button", { type: "button", class: "quiet", onclick: signOut }, "Sign out"),
  );
}

async function signOut() {
  await remove("/session").catch(() => {}); // an expired session is signed out, too
  remember(SIGNED_IN, "");
  signIn();
}

function signIn() {
  page?.stop();
  page = null;
  patch(who);
  patch(link);
  const token = el("input", { type: "password", name: "token", required: true, autocomplete: "current-password" });
  const problem = el("p.bad", { role: "alert" });
  const form = el(
    "form.card.hero",
    {
      onsubmit: async (event) => {
        event.preventDefault();
        try {
          await post("/session", { token: token.value });
          remember(SIGNED_IN, "yes");
          await route();
        } catch (error) {
          patch(
            problem,
            error.status === 401 || error.status === 403 ? "The server does not know this token." : error.message,
          );
          token.select();
        }
      },
    },
    el("h1", {}, "Sign in"),
    el(
      "p.soft",
      {},
      "This server asks for a token. It is kept in a cookie that scripts cannot read, until you sign out.",
    ),
    el("label", {}, "Token", token),
    problem,
    el("button", { class: "primary", type: "submit" }, "Sign in"),
  );
  root.replaceChildren(form);
  token.focus();
}

function themeNow() {
  return (
    document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")
  );
}

function drawTheme() {
  const other = themeNow() === "dark" ? "light" : "dark";
  themeButton.textContent = other === "dark" ? "☾" : "☀";
  themeButton.setAttribute("aria-label", `Switch to the ${other} theme`);
  page?.recolour?.();
}

themeButton.onclick = () => {
  const theme = themeNow() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  remember("trimtab-theme", theme);
  drawTheme();
};

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawTheme);
addEventListener("hashchange", () => route().then(() => root.focus()));
setInterval(() => frame.state.state === "lost" && drawLink(), 1000);
drawTheme();
route();
