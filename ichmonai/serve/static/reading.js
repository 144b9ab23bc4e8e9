// A reader says what the study shows.
const form = document.getElementById("reading");
const viewer = document.getElementById("viewer");
const saved = document.getElementById("saved");

// "12-15, 18", counted from 1, as numbers from 0.
function parse(text) {
  const numbers = new Set();
  for (const part of text.split(/[,;\s]+/).filter(Boolean)) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (!match || Number(match[2] ?? match[1]) - Number(match[1]) > 5000) throw new Error(`${part} is no slice; write, for example, 12-15, 18.`);
    for (let number = Number(match[1]); number <= Number(match[2] ?? match[1]); number += 1) numbers.add(number - 1);
  }
  return [...numbers].sort((a, b) => a - b);
}

function write(numbers) {
  const runs = [];
  for (const number of numbers) {
    if (runs.length && number === runs.at(-1)[1] + 1) runs.at(-1)[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([low, high]) => (low === high ? `${low + 1}` : `${low + 1}-${high + 1}`)).join(", ");
}

function mark() {
  if (viewer.dataset.shown === undefined) return;
  let numbers;
  try {
    numbers = new Set(parse(form.elements.slices.value));
  } catch (error) {
    saved.textContent = error.message;
    return;
  }
  const shown = Number(viewer.dataset.shown);
  if (!numbers.delete(shown)) numbers.add(shown);
  form.elements.slices.value = write([...numbers].sort((a, b) => a - b));
  form.elements.haemorrhage.value = "yes";
  document.getElementById("found").hidden = false;
}

async function save() {
  const bleeds = form.elements.haemorrhage.value === "yes";
  const said = {
    author: form.elements.author.value,
    haemorrhage: bleeds,
    location: bleeds ? form.elements.location.value : "",
    kinds: bleeds ? [...form.querySelectorAll("[name=kinds]:checked")].map((one) => one.value) : [],
    slices: bleeds ? parse(form.elements.slices.value) : [],
    text: form.elements.text.value,
  };
  const answer = await fetch(`/api/studies/${viewer.dataset.study}/readings`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(said),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(Array.isArray(told.detail) ? told.detail.map((one) => one.msg).join(" ") : told.detail);
  localStorage.setItem("author", said.author);
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  document.getElementById("readings").replaceWith(page.getElementById("readings"));
  saved.textContent = "Saved";
}

if (form) {
  form.elements.author.value = localStorage.getItem("author") ?? "";
  form.addEventListener("change", () => {
    document.getElementById("found").hidden = form.elements.haemorrhage.value !== "yes";
    saved.textContent = "";
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save().catch((error) => { saved.textContent = error.message; });
  });
  document.getElementById("mark").addEventListener("click", mark);
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "m" && !event.target.closest("input, textarea, select") && !event.ctrlKey && !event.metaKey) mark();
  });
}
