// All pictures share one view: the same place of the same frame, at the same scale.
// The unit of places is a pixel of the largest clip; of sizes on the canvas, a pixel of the screen.

const SCALES = [1 / 8, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32];
const DIFFERENCE_DOUBLINGS = 3; // 8 times as strong
const GAP = 4;
const PAN_STEP = 80;
const WHEEL_STEP = 40;

const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const canvas = element("canvas");
const context = canvas.getContext("2d", { alpha: false });
const view = { x: 0, y: 0, scale: 1 }; // place in the middle of a pane, screen pixels per pixel
const last = data.compared.at(-1);
const state = {
  shot: 0, shown: last, other: data.compared.at(-2) ?? (last ? last - 1 : 0),
  mode: data.mode ?? "all", split: 0.5, place: 0, loads: 0,
};
let pictures = []; // of the frame that is shown
let pointer = null; // where zoom happens, in screen pixels of the canvas
const cache = new Map();

function make(tag, content = "", className = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...[content].flat());
  return made;
}

// ---- Pictures

function load(shot) {
  if (!cache.has(shot)) {
    cache.set(shot, Promise.all(data.shots[shot].pictures.map(async ({ image, box }) => {
      const picture = new Image();
      picture.src = image;
      await picture.decode();
      return { picture, box };
    })));
  }
  return cache.get(shot);
}

async function show(shot) {
  const count = data.shots.length;
  state.shot = (shot + count) % count;
  const ticket = ++state.loads;
  const loaded = await load(state.shot);
  if (ticket !== state.loads) return; // the user has moved on
  pictures = loaded;
  goTo(0);
  document.body.dataset.ready = state.shot;
  const kept = [state.shot, (state.shot + 1) % count, (state.shot + count - 1) % count];
  for (const each of cache.keys()) if (!kept.includes(each)) cache.delete(each); // decoded frames are large
  kept.forEach(load);
}

function goTo(place) {
  const { places } = data.shots[state.shot];
  state.place = place % places.length;
  [view.x, view.y] = places[state.place];
  settle();
}

// ---- Panes: the parts of the canvas, each with a view

function panes() {
  const { width, height } = canvas;
  const whole = { x: 0, y: 0, width, height };
  if (state.mode !== "all") return [{ ...whole, index: state.shown }];
  const count = data.views.length;
  let best = null;
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const pane = [Math.floor((width - GAP * (columns - 1)) / columns), Math.floor((height - GAP * (rows - 1)) / rows)];
    const side = Math.min(...pane); // as near to a square as can be; of two, the one with fewer columns
    if (!best || side > best.side) best = { columns, pane, side };
  }
  const [paneWidth, paneHeight] = best.pane;
  return data.views.map((_, index) => ({
    x: (index % best.columns) * (paneWidth + GAP), y: Math.floor(index / best.columns) * (paneHeight + GAP),
    width: paneWidth, height: paneHeight, index,
  }));
}

function paneAt(x, y) {
  return panes().find((pane) =>
    x >= pane.x && x < pane.x + pane.width && y >= pane.y && y < pane.y + pane.height) ?? panes()[0];
}

// Where place (0, 0) of the frame lies on the canvas: at a whole pixel of the screen.
function origin(pane) {
  return [
    pane.x + Math.floor(pane.width / 2) - Math.round(view.x * view.scale),
    pane.y + Math.floor(pane.height / 2) - Math.round(view.y * view.scale),
  ];
}

// Paints a picture into a pane, or into the part of it that lies within `clip`.
function paint(pane, index, { clip = pane, operation = "source-over" } = {}) {
  const { picture, box: [x, y, width, height] } = pictures[index];
  const [cropX, cropY, cropWidth, cropHeight] = data.shots[state.shot].crop;
  const [left, top] = origin(pane);
  const { scale } = view;
  context.save();
  for (const part of [
    [clip.x, clip.y, clip.width, clip.height],
    // Pixels of the source may reach beyond the crop.
    [left + Math.round(cropX * scale), top + Math.round(cropY * scale),
      Math.round(cropWidth * scale), Math.round(cropHeight * scale)],
  ]) {
    context.beginPath();
    context.rect(...part);
    context.clip();
  }
  context.globalCompositeOperation = operation;
  context.imageSmoothingEnabled = scale * width / picture.naturalWidth < 1; // enlarged pixels stay squares
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, left + x * scale, top + y * scale, width * scale, height * scale);
  context.restore();
}

function draw() {
  if (!pictures.length) return;
  limitView();
  const shown = panes();
  const [pane] = shown;
  context.fillStyle = state.mode === "difference" ? "#000"
    : getComputedStyle(document.documentElement).getPropertyValue("--wall");
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (const each of shown) paint(each, each.index);
  if (state.mode === "slider") {
    paint(pane, state.other, { clip: { ...pane, width: Math.round(pane.width * state.split) } });
  } else if (state.mode === "difference") {
    paint(pane, state.other, { operation: "difference" });
    context.globalCompositeOperation = "lighter"; // the canvas onto itself: twice as bright
    for (let n = 0; n < DIFFERENCE_DOUBLINGS; n++) context.drawImage(canvas, 0, 0);
    context.globalCompositeOperation = "source-over";
  }
  describe(shown);
}

// ---- Zoom and movement

const limit = (value, low, high) => low > high ? (low + high) / 2 : Math.min(Math.max(value, low), high);

// Keeps the middle of the pane in the frame, and with a margin that much farther from its edges.
function limitView(marginX = 0, marginY = 0) {
  const [x, y, width, height] = data.shots[state.shot].crop;
  view.x = limit(view.x, x + marginX, x + width - marginX);
  view.y = limit(view.y, y + marginY, y + height - marginY);
}

// Draws the place of the view so that the frame fills the pane, if it is large enough.
function settle() {
  const [pane] = panes();
  if (pictures.length) limitView(pane.width / 2 / view.scale, pane.height / 2 / view.scale);
  draw();
}

function fittingScale() {
  const [pane] = panes();
  const [, , width, height] = data.shots[state.shot].crop;
  const scale = Math.min(pane.width / width, pane.height / height);
  return scale < 1 ? scale : Math.floor(scale);
}

function fit() {
  const [x, y, width, height] = data.shots[state.shot].crop;
  [view.x, view.y, view.scale] = [x + width / 2, y + height / 2, fittingScale()];
  draw();
}

// The largest whole scale at which a place fills a pane.
function openingScale() {
  const [pane] = panes();
  const scale = Math.min(pane.width / data.window[0], pane.height / data.window[1]);
  return SCALES.findLast((each) => each >= 1 && each <= scale) ?? 1;
}

// Zooms by a step up or down. The place under the pointer stays where it is.
function zoom(up) {
  const scale = up ? SCALES.find((each) => each > view.scale) : SCALES.findLast((each) => each < view.scale);
  if (!scale) return;
  const pane = pointer ? paneAt(...pointer) : panes()[0];
  const [x, y] = pointer ?? [pane.x + pane.width / 2, pane.y + pane.height / 2];
  const [left, top] = origin(pane);
  const place = [(x - left) / view.scale, (y - top) / view.scale];
  view.scale = scale;
  view.x = place[0] + (pane.x + Math.floor(pane.width / 2) - x) / scale;
  view.y = place[1] + (pane.y + Math.floor(pane.height / 2) - y) / scale;
  draw();
}

function move(x, y) { // in screen pixels
  view.x -= x / view.scale;
  view.y -= y / view.scale;
  draw();
}

// ---- What is shown, in words

function figures(index) {
  const shot = data.shots[state.shot];
  if (shot.figures) return shot.figures[index];
  const metrics = shot.metrics[index];
  return metrics ? `${psnr(metrics)} dB  ${ssim(metrics)}` : "";
}

const psnr = (metrics) => metrics.psnr === null ? "\u221e" : metrics.psnr.toFixed(2);
const ssim = (metrics) => metrics.ssim === null ? "" : metrics.ssim.toFixed(4);

function tag(text, note, x, y, side) {
  const made = make("span", [text, " ", make("small", note)], `tag ${side}`);
  made.style.left = `${100 * x / canvas.width}%`;
  made.style.top = `${100 * y / canvas.height}%`;
  return made;
}

function describe(shown) {
  const [pane] = shown;
  const labels = data.views.map((each) => each.label);
  const [here, there] = [labels[state.shown], labels[state.other]];
  const border = pane.x + pane.width * state.split;
  const tags = {
    all: () => shown.map((each) => tag(`${each.index + 1}  ${labels[each.index]}`, figures(each.index), each.x, each.y, "left")),
    one: () => [tag(here, figures(state.shown), 0, 0, "left")],
    slider: () => [
      tag(there, figures(state.other), border, 0, "right"), tag(here, figures(state.shown), border, 0, "left"),
    ],
    difference: () => [tag(`${here} \u2212 ${there}`, `\u00d7${2 ** DIFFERENCE_DOUBLINGS}`, 0, 0, "left")],
  }[state.mode]();
  element("tags").replaceChildren(...tags);

  const handle = element("handle");
  handle.hidden = state.mode !== "slider";
  handle.style.left = `${100 * state.split}%`;
  handle.setAttribute("aria-valuenow", Math.round(100 * state.split));

  for (const button of document.querySelectorAll("[data-mode]")) {
    button.setAttribute("aria-pressed", button.dataset.mode === state.mode);
  }
  [...element("views").children].forEach((button, index) => {
    button.setAttribute("aria-pressed", state.mode !== "all" && index === state.shown);
    button.classList.toggle("other", state.mode !== "all" && index === state.other);
  });
  element("frame").value = state.shot;
  element("scale").textContent = `${Math.round(100 * view.scale)} %`;
  const { places, crop } = data.shots[state.shot];
  const part = crop[2] < data.size[0] || crop[3] < data.size[1]
    ? `part ${crop[2]}x${crop[3]} at ${crop[0]}, ${crop[1]} of ${data.size.join("x")}` : `${data.size.join("x")}`;
  const what = {
    all: "all pictures", one: here, slider: `${there} left of ${here}`, difference: `difference of ${here} and ${there}`,
  }[state.mode];
  element("status").textContent = `${what}; ${part}; difference ${state.place + 1} of ${places.length}`;
  canvas.setAttribute("aria-label", what);
}

function frameName({ name, n, time, scene }) {
  return name ?? [`Frame ${n}`, time, scene && `scene ${scene}`].filter(Boolean).join(" \u00b7 ");
}

// ---- Choices

function choose(index) {
  if (index >= data.views.length) return;
  if (index !== state.shown) [state.shown, state.other] = [index, state.shown];
  setMode(state.mode === "all" ? "one" : state.mode);
}

function chooseOther(index) {
  if (index >= data.views.length) return;
  if (index === state.shown) state.shown = state.other;
  state.other = index;
  setMode(state.mode === "all" ? "slider" : state.mode);
}

function setMode(mode) {
  state.mode = mode;
  settle();
}

function swap() {
  [state.shown, state.other] = [state.other, state.shown];
  setMode(state.mode === "all" ? "one" : state.mode);
}

function setSplit(split) {
  state.split = Math.min(Math.max(split, 0), 1);
  draw();
}

// ---- The table and the properties

function table(head, rows) {
  const made = document.createElement("table");
  made.append(make("thead", make("tr", head.map((text) => {
    const cell = make("th", text);
    cell.scope = "col";
    return cell;
  }))));
  made.append(make("tbody", rows.map(([name, ...cells]) => {
    const first = make("th", name);
    first.scope = "row";
    return make("tr", [first, ...cells.map((cell) => cell instanceof Node ? cell : make("td", cell))]);
  })));
  return make("div", made, "scroll");
}

function metricsTable() {
  const measured = data.views.map((_, index) => index).filter((index) => data.shots.some((shot) => shot.metrics?.[index]));
  if (!measured.length) return [];
  const mean = (index, key) => {
    const values = data.shots.map((shot) => shot.metrics[index][key]);
    return values.includes(null) ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  const means = measured.map((index) => ({ psnr: mean(index, "psnr"), ssim: mean(index, "ssim") }));
  const cells = (all) => ["psnr", "ssim"].flatMap((key) => {
    const format = { psnr, ssim }[key];
    const shown = all.map((metrics) => format(metrics));
    const best = all.map((metrics) => metrics[key] ?? (key === "psnr" ? Infinity : -Infinity));
    return shown.map((text, index) =>
      make("td", text, `figure${text && best[index] === Math.max(...best) ? " best" : ""}`));
  });
  const name = (index) => data.views[index].label;
  return [
    make("h3", "Against the reference"),
    table(
      ["Frame", ...measured.map((index) => `${name(index)}: PSNR, dB`), ...measured.map((index) => `${name(index)}: SSIM`)],
      [...data.shots.map((shot) => [frameName(shot), ...cells(measured.map((index) => shot.metrics[index]))]),
        ...(data.shots.length > 1 ? [["Mean", ...cells(means)]] : [])],
    ),
  ];
}

function givenTables() {
  const cells = ({ rows, marked }) => rows.map(([name, ...cells], y) => [name, ...cells.map((text, x) =>
    make("td", text, `figure${marked.some(([row, column]) => row === y && column === x + 1) ? " strong" : ""}`))]);
  return (data.tables ?? []).flatMap((each) =>
    [make("h3", each.title), ...(each.note ? [make("p", each.note, "note")] : []), table(each.columns, cells(each))]);
}

function clipTables() {
  if (!data.clips.length) return [];
  const names = [...new Set(data.clips.flatMap((clip) => clip.rows.map(([name]) => name)))];
  const value = (clip, name) => clip.rows.find(([each]) => each === name)?.[1] ?? "\u2013";
  const notes = data.clips.flatMap((clip) => clip.notes.map((note) => make("p", `${clip.label} ${note}.`)));
  const one = data.clips.map((_, clip) => data.views.findIndex((each) => each.clip === clip));
  const props = data.shots.filter((shot) => shot.props.some((each) => Object.keys(each).length));
  const text = (each) => Object.entries(each).map(([name, found]) => `${name} ${found}`).join(", ") || "\u2013";
  return [
    make("h3", "Clips"),
    table(["", ...data.clips.map((clip) => clip.label)],
      names.map((name) => [name, ...data.clips.map((clip) => value(clip, name))])),
    ...notes,
    ...(props.length ? [
      make("h3", "Properties of the frames"),
      table(["Frame", ...data.clips.map((clip) => clip.label)],
        props.map((shot) => [frameName(shot), ...one.map((index) => text(shot.props[index]))])),
    ] : []),
  ];
}

// ---- Keys and the pointer

const dialogs = [...document.querySelectorAll("dialog")];

function onKeyDown(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || dialogs.some((dialog) => dialog.open)) return;
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
  const pan = event.shiftKey;
  const onHandle = event.target === element("handle");
  const keys = {
    ArrowLeft: () => pan ? move(PAN_STEP, 0) : onHandle ? setSplit(state.split - 0.02) : show(state.shot - 1),
    ArrowRight: () => pan ? move(-PAN_STEP, 0) : onHandle ? setSplit(state.split + 0.02) : show(state.shot + 1),
    ArrowUp: () => { if (pan) move(0, PAN_STEP); },
    ArrowDown: () => { if (pan) move(0, -PAN_STEP); },
    "+": () => zoom(true), "=": () => zoom(true), "-": () => zoom(false), 0: fit,
    " ": swap, n: () => goTo(state.place + 1),
    a: () => setMode("all"), s: () => setMode("slider"), f: () => setMode("one"), d: () => setMode("difference"),
    t: () => element("details").showModal(), "?": () => element("help").showModal(),
  };
  const action = digit
    ? () => (event.shiftKey ? chooseOther : choose)(Number(digit[1]) - 1)
    : keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  const native = event.target instanceof HTMLSelectElement && (event.key.startsWith("Arrow") || event.key === " ")
    || event.target instanceof HTMLButtonElement && event.key === " " && event.target.matches(":focus-visible");
  if (!action || native) return;
  event.preventDefault();
  action();
}

// Calls `moved` with the distance in screen pixels while a pointer drags.
function onDrag(target, moved) {
  let start = null;
  target.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    start = [event.clientX, event.clientY];
    target.setPointerCapture(event.pointerId);
  });
  target.addEventListener("pointermove", (event) => {
    if (!start) return;
    moved((event.clientX - start[0]) * devicePixelRatio, (event.clientY - start[1]) * devicePixelRatio);
    start = [event.clientX, event.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) target.addEventListener(end, () => { start = null; });
}

function listen() {
  addEventListener("keydown", onKeyDown);
  onDrag(canvas, move);
  onDrag(element("handle"), (x) => setSplit(state.split + x / canvas.width));
  const stage = element("stage");
  stage.addEventListener("pointermove", (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    pointer = [(event.clientX - left) * devicePixelRatio, (event.clientY - top) * devicePixelRatio];
  });
  stage.addEventListener("pointerleave", () => { pointer = null; });
  let turned = 0; // a touchpad sends many small turns
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const turn = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 20 : 1);
    turned = turned * turn < 0 ? turn : turned + turn;
    if (Math.abs(turned) < WHEEL_STEP) return;
    zoom(turned < 0);
    turned = 0;
  }, { passive: false });
  for (const button of document.querySelectorAll("[data-mode]")) button.onclick = () => setMode(button.dataset.mode);
  const buttons = {
    previous: () => show(state.shot - 1), next: () => show(state.shot + 1), place: () => goTo(state.place + 1),
    "zoom-in": () => zoom(true), "zoom-out": () => zoom(false), fit, swap,
    "open-details": () => element("details").showModal(), "open-help": () => element("help").showModal(),
  };
  for (const [id, action] of Object.entries(buttons)) element(id).onclick = action;
  element("frame").onchange = (event) => show(Number(event.target.value));
  new ResizeObserver(resize).observe(canvas);
  addEventListener("resize", resize); // also when only the ratio of pixels changes
}

// Gives the canvas the pixels of the screen that it covers, so that none is scaled.
function resize() {
  const { left, right, top, bottom } = canvas.getBoundingClientRect();
  const snap = (edge) => Math.round(edge * devicePixelRatio);
  const [width, height] = [snap(right) - snap(left), snap(bottom) - snap(top)];
  if (width !== canvas.width || height !== canvas.height) [canvas.width, canvas.height] = [width, height];
  draw();
}

function build() {
  element("frame").append(...data.shots.map((shot, index) => {
    const option = make("option", `${frameName(shot)} (${index + 1} of ${data.shots.length})`);
    option.value = index;
    return option;
  }));
  element("views").append(...data.views.map((each, index) => {
    const button = make("button", [make("kbd", String(index + 1)), each.label]);
    button.onclick = (event) => (event.shiftKey ? chooseOther : choose)(index);
    return button;
  }));
  element("metrics").append(...givenTables(), ...metricsTable());
  element("clips").append(...clipTables());
  element("facts").append(...data.facts.map((fact) => make("p", fact)), make("p", `AnimeSR ${data.version}`));
}

build();
listen();
resize();
view.scale = openingScale();
await show(0);
