// All panes share one view: the same part of the same scene.

const ZOOM_STEP = 1.25;
const [MIN_SCALE, MAX_SCALE] = [0.1, 16];

const { scenes, hints, suggestion } = await (await fetch("scenes.json")).json();
const view = { x: 0, y: 0, scale: 1 }; // picture pixel in the middle of a pane, screen pixels per picture pixel
const state = { scene: 0, factor: suggestion.factor, showSource: false, loads: 0 };
const element = (id) => document.getElementById(id);
const panes = hints.map(addPane);
let source = null;

function addPane(hint) {
  const box = document.createElement("section");
  box.className = "pane";
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  const button = document.createElement("button");
  const note = { [suggestion.runner_up]: "next best", [suggestion.factor]: "suggested" }[hint.factor] || "";
  button.append(
    label(`\u00d7${hint.factor.toFixed(1)}`, note),
    bar("sharpness", hint), figure(`sharpness ${hint.sharpness.toFixed(2)}`),
    bar("artefacts", hint), figure(`artefacts ${hint.artefacts.toFixed(2)}`),
  );
  button.setAttribute("aria-label", `Factor ${hint.factor.toFixed(1)}${note && ", "}${note}`);
  button.onclick = () => choose(hint.factor);
  canvas.onclick = () => { if (!dragged) choose(hint.factor); };
  box.append(canvas, button);
  element("panes").append(box);
  listen(canvas);
  return { box, canvas, button, hint, picture: null };
}

function span(className, ...content) {
  const box = document.createElement("span");
  box.className = className;
  box.append(...content);
  return box;
}

function label(text, note) {
  const small = document.createElement("small");
  small.textContent = note;
  return span("factor", text, small);
}

function figure(text) {
  return span("figure", text);
}

function bar(measure, hint) {
  const highest = Math.max(...hints.map((each) => each[measure])) || 1;
  const filled = document.createElement("i");
  filled.style.width = `${100 * hint[measure] / highest}%`;
  return span(`bar ${measure}`, filled);
}

async function loadPicture(address) {
  const picture = new Image();
  picture.src = address;
  await picture.decode();
  return picture;
}

async function show(scene) {
  state.scene = (scene + scenes.length) % scenes.length;
  const load = ++state.loads;
  const [lq, ...pictures] = await Promise.all([
    loadPicture(`lq/${state.scene}`), ...panes.map((_, index) => loadPicture(`at/${state.scene}/${index}`)),
  ]);
  if (load !== state.loads) return; // the user has moved on to another scene
  source = lq;
  panes.forEach((pane, index) => { pane.picture = pictures[index]; });
  element("scene").textContent = `Scene ${state.scene + 1} of ${scenes.length}`;
  if (!view.x) centre();
  draw();
  document.body.dataset.ready = state.scene;
}

function centre() {
  view.x = panes[0].picture.naturalWidth / 2;
  view.y = panes[0].picture.naturalHeight / 2;
}

function fit() {
  const { canvas, picture } = panes[0];
  const { clientWidth, clientHeight } = canvas;
  centre();
  zoomTo(devicePixelRatio * Math.min(clientWidth / picture.naturalWidth, clientHeight / picture.naturalHeight));
}

function limitScale(scale) {
  return Math.min(Math.max(scale, MIN_SCALE), MAX_SCALE);
}

function zoomTo(scale) {
  view.scale = limitScale(scale);
  draw();
}

// Zooms around a point of a pane, given in screen pixels from its middle.
function zoomAround(ratio, x, y) {
  const before = view.scale;
  const scale = limitScale(before * ratio);
  view.x += x / before - x / scale;
  view.y += y / before - y / scale;
  zoomTo(scale);
}

function draw() {
  for (const { box, canvas, button, hint, picture } of panes) {
    const selected = hint.factor === state.factor;
    box.classList.toggle("selected", selected);
    button.setAttribute("aria-pressed", selected);
    paint(canvas, state.showSource ? source : picture, picture);
    canvas.setAttribute("aria-label", state.showSource ? "The source" : `The scene at factor ${hint.factor.toFixed(1)}`);
  }
  element("scale").textContent = `${Math.round(100 * view.scale)} %`;
  element("source").setAttribute("aria-pressed", state.showSource);
  element("use").textContent = `Use \u00d7${state.factor.toFixed(1)}`;
}

// Paints a picture at the size of a pseudo-HQ picture. The source is half as large and enlarged.
function paint(canvas, picture, pseudoHq) {
  canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
  canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
  const context = canvas.getContext("2d");
  const enlargement = view.scale * pseudoHq.naturalWidth / picture.naturalWidth;
  context.imageSmoothingEnabled = enlargement < 1; // enlarged pixels stay squares
  context.imageSmoothingQuality = "high";
  context.drawImage(picture,
    Math.floor(canvas.width / 2) - Math.round(view.x * view.scale), // whole pixels, the same in all panes
    Math.floor(canvas.height / 2) - Math.round(view.y * view.scale),
    pseudoHq.naturalWidth * view.scale, pseudoHq.naturalHeight * view.scale);
}

let dragStart = null;
let dragged = false;

function listen(canvas) {
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const ratio = devicePixelRatio;
    zoomAround(event.deltaY < 0 ? ZOOM_STEP : 1 / ZOOM_STEP,
      (event.clientX - left - width / 2) * ratio, (event.clientY - top - height / 2) * ratio);
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    dragStart = { x: event.clientX, y: event.clientY };
    dragged = false;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!dragStart) return;
    const [x, y] = [event.clientX - dragStart.x, event.clientY - dragStart.y];
    if (!dragged && Math.hypot(x, y) < 4) return; // a small movement is still a click
    dragged = true;
    view.x -= x * devicePixelRatio / view.scale;
    view.y -= y * devicePixelRatio / view.scale;
    dragStart = { x: event.clientX, y: event.clientY };
    draw();
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { dragStart = null; });
}

function choose(factor) {
  state.factor = factor;
  draw();
}

function showSource(show) {
  state.showSource = show;
  draw();
}

async function sendChoice() {
  element("use").disabled = true;
  const answer = await fetch("choice", { method: "POST", body: JSON.stringify({ factor: state.factor }) });
  if (!answer.ok) {
    element("use").disabled = false;
    alert(await answer.text());
    return;
  }
  const message = document.createElement("p");
  message.className = "done";
  message.textContent = `Using \u00d7${state.factor.toFixed(1)}. You can close this page; the command continues.`;
  document.body.replaceChildren(message);
  removeEventListener("keydown", onKeyDown);
}

function onKeyDown(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = {
    ArrowLeft: () => show(state.scene - 1),
    ArrowRight: () => show(state.scene + 1),
    "+": () => zoomAround(ZOOM_STEP, 0, 0),
    "=": () => zoomAround(ZOOM_STEP, 0, 0),
    "-": () => zoomAround(1 / ZOOM_STEP, 0, 0),
    0: fit,
    " ": () => { if (!event.repeat) showSource(true); },
  };
  const number = Number(event.key);
  const action = number >= 1 && number <= panes.length ? () => choose(hints[number - 1].factor) : keys[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

addEventListener("keydown", onKeyDown);
addEventListener("keyup", (event) => { if (event.key === " ") { event.preventDefault(); showSource(false); } });
addEventListener("blur", () => showSource(false));
addEventListener("resize", draw);
element("previous").onclick = () => show(state.scene - 1);
element("next").onclick = () => show(state.scene + 1);
element("zoom-in").onclick = () => zoomAround(ZOOM_STEP, 0, 0);
element("zoom-out").onclick = () => zoomAround(1 / ZOOM_STEP, 0, 0);
element("fit").onclick = fit;
element("source").onclick = () => showSource(!state.showSource);
element("use").onclick = sendChoice;
element("suggestion").textContent = suggestion.text;
await show(0);
