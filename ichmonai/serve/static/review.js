// A reader keeps, rejects and relabels the slices of a sheet; each decision is saved at once.
const form = document.getElementById("review");
const saved = document.getElementById("saved");
const KEYS = { k: "keep", r: "reject", o: "open", n: "normal", h: "ich", d: "deep", l: "lobar", s: "subtentorial" };

function show(told) {
  for (const one of told.slices) {
    const figure = document.querySelector(`[data-slice="${one.slice}"]`);
    figure.dataset.state = one.state;
    figure.querySelector("select").value = one.decision;
    figure.querySelector(".by").textContent = one.by;
    const button = figure.querySelector(".picture");
    button.ariaLabel = button.ariaLabel.replace(/[^:]*$/, ` ${one.state}`);
  }
  for (const [name, count] of Object.entries(told.counts)) {
    document.querySelector(`[data-count="${name}"]`).textContent = count;
  }
}

async function decide(figures, decision) {
  if (!figures.length || !form.reportValidity()) return false;
  saved.textContent = "Saving";
  try {
    const answer = await fetch("/decisions", {
      method: "POST", headers: { "content-type": "application/json" },
      body: JSON.stringify({ slices: figures.map((one) => Number(one.dataset.slice)), decision, reader: form.elements.reader.value }),
    });
    const told = await answer.json();
    if (!answer.ok) throw new Error(Array.isArray(told.detail) ? told.detail.map((one) => one.msg).join(" ") : told.detail);
    localStorage.setItem("author", form.elements.reader.value);
    show(told);
    saved.textContent = "Saved";
    return true;
  } catch (error) {
    saved.textContent = `Not saved: ${error.message}`;
    return false;
  }
}

form.elements.reader.value = localStorage.getItem("author") ?? "";
form.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("rest").addEventListener("click", () => {
  decide([...document.querySelectorAll('.slice[data-state="open"]:not([data-fault])')], "keep");
});
document.addEventListener("click", (event) => {
  const figure = event.target.closest(".picture")?.closest(".slice");
  if (figure) decide([figure], figure.dataset.state === "rejected" ? "keep" : "reject");
});
document.addEventListener("change", async (event) => {
  const figure = event.target.closest(".slice");
  if (!figure) return;
  const before = { open: "open", kept: "keep", rejected: "reject" }[figure.dataset.state];
  if (!(await decide([figure], event.target.value)) && before) event.target.value = before;
});
document.addEventListener("keydown", (event) => {
  const figure = event.target.closest(".picture")?.closest(".slice");
  const decision = KEYS[event.key.toLowerCase()];
  if (figure && decision && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); decide([figure], decision); }
});
