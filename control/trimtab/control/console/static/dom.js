// Elements, and how a page becomes another one. Whatever a person typed goes into text nodes and attributes: nothing in
// the console reads markup.

const SVG = "http://www.w3.org/2000/svg";
const HANDLERS = ["onclick", "oninput", "onchange", "onsubmit", "ontoggle", "onkeydown"];

/** Gives an element: `el("td.number", {title: "…"}, "text", child)`. Falsy children and attributes are left out. */
export function el(spec, attributes = {}, ...children) {
  return filled(document.createElement(spec.split(".")[0]), spec, attributes, children);
}

/** Gives an element of a drawing. */
export function svg(spec, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, spec.split(".")[0]), spec, attributes, children);
}

function filled(node, spec, attributes, children) {
  const classes = spec.split(".").slice(1).join(" ");
  if (classes) node.setAttribute("class", classes);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node[name] = value;
    else if (name === "style") for (const [key, one] of Object.entries(value)) node.style.setProperty(key, one);
    else if (name === "opaque")
      node.opaque = value; // its owner draws what is in it
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...nodes(children));
  return node;
}

function nodes(children) {
  return children
    .flat(Infinity)
    .filter((child) => child || child === 0)
    .map((child) => (child instanceof Node ? child : document.createTextNode(child)));
}

/** Makes the children of `parent` like `children`. What is alike is kept, with its focus, selection and openness. */
export function patch(parent, ...children) {
  let at = parent.firstChild;
  for (const wanted of nodes(children)) {
    const found = counterpart(at, wanted);
    if (!found) {
      parent.insertBefore(wanted, at);
      continue;
    }
    if (found === at) at = at.nextSibling;
    else parent.insertBefore(found, at);
    if (found !== wanted) become(found, wanted);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function counterpart(at, wanted) {
  const key = wanted.dataset?.key;
  for (let node = at; node; node = key === undefined ? null : node.nextSibling) {
    if (node === wanted || (node.nodeName === wanted.nodeName && node.dataset?.key === key)) return node;
  }
  return null;
}

function become(node, wanted) {
  if (node.nodeType === Node.TEXT_NODE) {
    if (node.data !== wanted.data) node.data = wanted.data;
    return;
  }
  for (const { name, value } of [...wanted.attributes]) {
    if (name !== "style" && node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
  for (const { name } of [...node.attributes]) {
    // Whether a part is open is the reader's choice, and a style attribute is not ours to set under the policy.
    if (name !== "open" && name !== "style" && !wanted.hasAttribute(name)) node.removeAttribute(name);
  }
  if (node.style.cssText !== wanted.style.cssText) node.style.cssText = wanted.style.cssText;
  for (const handler of HANDLERS) node[handler] = wanted[handler];
  if (!wanted.opaque) patch(node, ...wanted.childNodes);
}

/** Gives a table whose cells also say their column's name, for phones, where rows become cards. */
export function table(caption, columns, rows, classes = "") {
  const heads = columns.map(([name, kind]) => el("th", { scope: "col", role: "columnheader", class: kind }, name));
  return el(
    "table",
    { role: "table", class: `stack ${classes}` },
    el("caption.hidden", {}, caption),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads)),
    el(
      "tbody",
      { role: "rowgroup" },
      rows.map(([key, cells, kind]) =>
        el(
          "tr",
          { role: "row", "data-key": key, class: kind },
          cells.map((content, at) =>
            el(
              at ? "td" : "th",
              {
                role: at ? "cell" : "rowheader",
                scope: at ? undefined : "row",
                class: columns[at][1],
                "data-label": columns[at][0],
              },
              content,
            ),
          ),
        ),
      ),
    ),
  );
}

/** Gives a part of a page with its heading; `draw` gives its content. One that cannot be drawn leaves the others be. */
export function card(id, title, draw, beside) {
  let content;
  try {
    content = draw();
  } catch (error) {
    console.error(error);
    content = el("p.bad", {}, `This part cannot be drawn: ${error.message}`);
  }
  return el(
    "section.card",
    { id, "data-key": id, "aria-labelledby": `${id}-title` },
    el("div.card-head", {}, el("h2", { id: `${id}-title` }, title), beside),
    content,
  );
}
