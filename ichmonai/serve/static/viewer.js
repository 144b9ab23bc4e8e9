// The slices of a study: HU come from the server, windows are applied here.
import "./common.js";

const viewer = document.getElementById("viewer");
const canvas = document.getElementById("canvas");
const base = `/api/studies/${viewer.dataset.study}`;
const [slider, preset, masked, opacity] = ["slider", "preset", "masked", "opacity"].map((id) => document.getElementById(id));
const state = document.getElementById("state");
const COLOURS = JSON.parse(viewer.dataset.colours).map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
const kept = new Map();
let volume = null;
let level = 40;
let width = 80;
export let current = Number(viewer.dataset.leading);

function get(kind, number) {
  const key = `${kind}/${number}`;
  if (!kept.has(key)) {
    kept.set(key, fetch(`${base}/${key}`).then(async (answer) => {
      if (!answer.ok) { kept.delete(key); throw new Error((await answer.json()).detail); }
      const bytes = await answer.arrayBuffer();
      return kind === "volume" ? new Int16Array(bytes) : new Uint8Array(bytes);
    }));
  }
  return kept.get(key);
}

async function draw() {
  const asked = current;
  const [hu, mask] = await Promise.all([get("volume", asked), volume.mask && masked.checked ? get("mask", asked) : null]);
  if (asked !== current) return;
  const [, rows, columns] = volume.shape;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(columns, rows);
  const low = level - width / 2;
  const share = Number(opacity.value) / 100;
  for (let i = 0, at = 0; i < hu.length; i += 1, at += 4) {
    const grey = ((hu[i] - low) * 255) / width;
    const colour = mask && mask[i] ? COLOURS[mask[i] - 1] : null;
    for (let channel = 0; channel < 3; channel += 1) {
      const value = Math.min(Math.max(grey, 0), 255);
      picture.data[at + channel] = colour ? value * (1 - share) + colour[channel] * share : value;
    }
    picture.data[at + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
  document.getElementById("corner").textContent = `slice ${current + 1} of ${volume.shape[0]}\nlevel ${Math.round(level)}, width ${Math.round(width)} HU`;
  viewer.dataset.shown = String(current);
  for (const near of [current + 1, current - 1]) if (near >= 0 && near < volume.shape[0]) get("volume", near).catch(() => {});
}

function redraw() {
  draw().catch((error) => { state.textContent = error.message; });
}

const plot = JSON.parse(viewer.dataset.plot);
const svg = document.querySelector("#curve svg");
const here = svg?.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "line"));
here?.setAttribute("class", "here");

export function show(number) {
  if (!volume) return;
  current = Math.min(Math.max(number, 0), volume.shape[0] - 1);
  slider.value = current;
  if (here) {
    const x = plot.left + ((plot.width - plot.left - plot.right) * (current + 0.5)) / volume.shape[0];
    for (const [name, value] of Object.entries({ x1: x, x2: x, y1: 8, y2: 128 })) here.setAttribute(name, value);
  }
  viewer.dispatchEvent(new CustomEvent("slice", { detail: current }));
  redraw();
}

function window_(newLevel, newWidth) {
  level = newLevel;
  width = Math.max(newWidth, 1);
  preset.value = [...preset.options].find((one) => one.value === `${level},${width}`)?.value ?? "";
  redraw();
}

function usePreset(value) {
  const [newLevel, newWidth] = value.split(",").map(Number);
  window_(newLevel, newWidth);
}

async function start() {
  const answer = await fetch(`${base}/volume`);
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.detail);
  volume = found;
  const [, rows, columns] = volume.shape;
  const [row, column] = volume.spacing;
  canvas.width = columns;
  canvas.height = rows;
  canvas.style.setProperty("--aspect", (columns * column) / (rows * row));
  document.getElementById("overlay").hidden = !volume.mask;
  for (const side of document.querySelectorAll(".side")) side.hidden = !volume.placed; // of pictures nobody knows
  state.textContent = "";
  show(current);
}

if (canvas) {
  const screen = canvas.parentElement;
  let turned = 0;
  screen.addEventListener("wheel", (event) => {
    event.preventDefault();
    turned += event.deltaMode ? event.deltaY * 30 : event.deltaY;
    const steps = Math.trunc(turned / 30); // a notch of a mouse, or a little way on a touchpad
    if (steps) { turned = 0; show(current - Math.sign(steps)); }
  }, { passive: false });
  let from = null;
  screen.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch" && !event.isPrimary) return;
    from = { x: event.clientX, y: event.clientY, level, width };
    screen.setPointerCapture(event.pointerId);
    viewer.focus({ preventScroll: true });
  });
  screen.addEventListener("pointermove", (event) => {
    if (from) window_(Math.round(from.level - (event.clientY - from.y) / 3), Math.round(from.width + (event.clientX - from.x) / 2));
  });
  for (const name of ["pointerup", "pointercancel"]) screen.addEventListener(name, () => { from = null; });
  slider.addEventListener("input", () => show(Number(slider.value)));
  preset.addEventListener("change", () => usePreset(preset.value));
  for (const one of [masked, opacity]) one.addEventListener("input", redraw);
  document.getElementById("lead").addEventListener("click", () => show(Number(viewer.dataset.leading)));
  svg?.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) * plot.width) / box.width;
    show(Math.round(((x - plot.left) / (plot.width - plot.left - plot.right)) * Number(viewer.dataset.slices) - 0.5));
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5 };
    if (event.key in moves) show(current + moves[event.key]);
    else if (event.key === "Home") show(0);
    else if (event.key === "End") show(Infinity);
    else if (/^[1-5]$/.test(event.key)) usePreset(preset.options[Number(event.key) - 1].value);
    else if (event.key.toLowerCase() === "o" && volume?.mask) masked.click();
    else return;
    event.preventDefault();
  });
  start().catch((error) => { state.textContent = error.message; });
}
