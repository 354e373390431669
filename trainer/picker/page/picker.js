// All panes show the same part of the same scene: one view, moved by any of them.

const STEP = 1.25; // of a zoom
const SCALES = [0.1, 16];

const { scenes, hints, suggested } = await (await fetch("scenes.json")).json();
const view = { x: 0, y: 0, scale: 1 }; // the pixel in the middle of a pane, and screen pixels for one of them
const state = { scene: 0, factor: suggested, source: false, loaded: 0 };
const element = (id) => document.getElementById(id);
const panes = hints.map(pane);
let source = null;

function pane(hint, number) {
  const box = document.createElement("section");
  box.className = "pane";
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  const button = document.createElement("button");
  button.append(
    labelled("span", "factor", `\u00d7${hint.factor.toFixed(1)}`, hint.factor === suggested ? "suggested" : ""),
    bar("sharpness", hint, number), figure(`sharp ${hint.sharpness.toFixed(2)}`),
    bar("artefacts", hint, number), figure(`artefacts ${hint.artefacts.toFixed(2)}`),
  );
  button.setAttribute("aria-label",
    `Factor ${hint.factor.toFixed(1)}${hint.factor === suggested ? ", suggested" : ""}`);
  button.onclick = () => choose(hint.factor);
  canvas.onclick = () => { if (!moved) choose(hint.factor); };
  box.append(canvas, button);
  element("panes").append(box);
  listen(canvas);
  return { box, canvas, button, hint, picture: null };
}

function labelled(tag, name, text, more) {
  const made = document.createElement(tag);
  made.className = name;
  const small = document.createElement("small");
  small.textContent = more;
  made.append(text, small);
  return made;
}

function figure(text) {
  const made = document.createElement("span");
  made.className = "figure";
  made.textContent = text;
  return made;
}

function bar(name, hint) {
  const made = document.createElement("span");
  made.className = `bar ${name}`;
  const most = Math.max(...hints.map((each) => each[name])) || 1;
  const filled = document.createElement("i");
  filled.style.width = `${100 * hint[name] / most}%`;
  made.append(filled);
  return made;
}

async function picture(address) {
  const made = new Image();
  made.src = address;
  await made.decode();
  return made;
}

async function show(scene) {
  state.scene = (scene + scenes.length) % scenes.length;
  const wanted = ++state.loaded;
  const all = await Promise.all([
    picture(`lq/${state.scene}`), ...panes.map((_, number) => picture(`at/${state.scene}/${number}`)),
  ]);
  if (wanted !== state.loaded) return; // another scene was asked for meanwhile
  [source] = all;
  panes.forEach((each, number) => { each.picture = all[number + 1]; });
  element("scene").textContent = `Scene ${state.scene + 1} of ${scenes.length}`;
  if (!view.x) middle();
  draw();
  document.body.dataset.ready = state.scene;
}

function middle() {
  view.x = panes[0].picture.naturalWidth / 2;
  view.y = panes[0].picture.naturalHeight / 2;
}

function fit() {
  const { canvas, picture: shown } = panes[0];
  const ratio = devicePixelRatio;
  middle();
  zoomTo(Math.min(canvas.clientWidth * ratio / shown.naturalWidth, canvas.clientHeight * ratio / shown.naturalHeight));
}

function zoomTo(scale) {
  view.scale = Math.min(Math.max(scale, SCALES[0]), SCALES[1]);
  draw();
}

// About a point of a pane, given in screen pixels from its middle.
function zoomAbout(times, x, y) {
  const before = view.scale;
  const scale = Math.min(Math.max(before * times, SCALES[0]), SCALES[1]);
  view.x += x / before - x / scale;
  view.y += y / before - y / scale;
  zoomTo(scale);
}

function draw() {
  for (const each of panes) {
    const { box, canvas, button, hint } = each;
    const chosen = hint.factor === state.factor;
    box.classList.toggle("chosen", chosen);
    button.setAttribute("aria-pressed", chosen);
    paint(canvas, state.source ? source : each.picture, each.picture);
    canvas.setAttribute("aria-label", state.source ? "The source" : `The scene at factor ${hint.factor.toFixed(1)}`);
  }
  element("scale").textContent = `${Math.round(100 * view.scale)} %`;
  element("source").setAttribute("aria-pressed", state.source);
  element("use").textContent = `Use \u00d7${state.factor.toFixed(1)}`;
}

// The source is half as large as the others, and drawn as large as they are.
function paint(canvas, shown, whole) {
  canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
  canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
  const context = canvas.getContext("2d");
  const times = view.scale * whole.naturalWidth / shown.naturalWidth;
  context.imageSmoothingEnabled = times < 1; // pixels are squares: what is judged is not what the browser makes of it
  context.imageSmoothingQuality = "high";
  context.drawImage(shown,
    Math.floor(canvas.width / 2) - Math.round(view.x * view.scale), // panes may differ by a pixel: the middle does not
    Math.floor(canvas.height / 2) - Math.round(view.y * view.scale),
    whole.naturalWidth * view.scale, whole.naturalHeight * view.scale);
}

let grip = null;
let moved = false;

function listen(canvas) {
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const ratio = devicePixelRatio;
    zoomAbout(event.deltaY < 0 ? STEP : 1 / STEP,
      (event.clientX - left - width / 2) * ratio, (event.clientY - top - height / 2) * ratio);
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    grip = { x: event.clientX, y: event.clientY };
    moved = false;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!grip) return;
    const [x, y] = [event.clientX - grip.x, event.clientY - grip.y];
    if (!moved && Math.hypot(x, y) < 4) return; // a click's hand is not still
    moved = true;
    view.x -= x * devicePixelRatio / view.scale;
    view.y -= y * devicePixelRatio / view.scale;
    grip = { x: event.clientX, y: event.clientY };
    draw();
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { grip = null; });
}

function choose(factor) {
  state.factor = factor;
  draw();
}

function reveal(source) {
  state.source = source;
  draw();
}

async function use() {
  element("use").disabled = true;
  const answer = await fetch("choice", { method: "POST", body: JSON.stringify({ factor: state.factor }) });
  if (!answer.ok) {
    element("use").disabled = false;
    alert(await answer.text());
    return;
  }
  const said = document.createElement("p");
  said.className = "done";
  said.textContent = `\u00d7${state.factor.toFixed(1)} it is. You may close this page; the command goes on.`;
  document.body.replaceChildren(said);
  removeEventListener("keydown", pressed);
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = {
    ArrowLeft: () => show(state.scene - 1),
    ArrowRight: () => show(state.scene + 1),
    "+": () => zoomAbout(STEP, 0, 0),
    "=": () => zoomAbout(STEP, 0, 0),
    "-": () => zoomAbout(1 / STEP, 0, 0),
    0: fit,
    " ": () => { if (!event.repeat) reveal(true); },
  };
  const number = Number(event.key);
  const act = number >= 1 && number <= panes.length ? () => choose(hints[number - 1].factor) : keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

addEventListener("keydown", pressed);
addEventListener("keyup", (event) => { if (event.key === " ") { event.preventDefault(); reveal(false); } });
addEventListener("blur", () => reveal(false));
addEventListener("resize", draw);
element("before").onclick = () => show(state.scene - 1);
element("after").onclick = () => show(state.scene + 1);
element("in").onclick = () => zoomAbout(STEP, 0, 0);
element("out").onclick = () => zoomAbout(1 / STEP, 0, 0);
element("fit").onclick = fit;
element("source").onclick = () => reveal(!state.source);
element("use").onclick = use;
await show(0);
