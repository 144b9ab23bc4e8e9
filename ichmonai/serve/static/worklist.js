// Uploads what is dropped, and keeps the worklist as it is on the server.
import "./common.js";

const drop = document.getElementById("drop");
const sending = document.getElementById("sending");
const rows = document.getElementById("rows");
const AT_ONCE = 4;
let shown = "";
let busy = 0;
let pressed = false; // a row that is replaced under a finger takes the click along

async function refresh() {
  try {
    const answer = await fetch("/worklist");
    if (answer.redirected) return location.reload();
    const text = await answer.text();
    if (answer.ok && text !== shown && !pressed && !rows.contains(document.activeElement?.closest("button"))) {
      rows.innerHTML = shown = text; // escaped by the server
    }
  } catch { /* the server is being restarted: the next time */ }
}
rows.addEventListener("pointerdown", () => { pressed = true; });
for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, () => { pressed = false; });
setInterval(() => { if (!document.hidden) refresh(); }, 1500);
refresh();

async function ask(method, path, body, type) {
  const answer = await fetch(path, { method, body, headers: type ? { "content-type": type } : {} });
  if (!answer.ok) throw new Error((await answer.json()).detail);
  return answer.json();
}

// files: [{ name, file }], name a relative path.
async function send(name, files) {
  const line = sending.appendChild(document.createElement("li"));
  const says = line.appendChild(document.createElement("span"));
  const bar = line.appendChild(document.createElement("progress"));
  bar.max = files.reduce((sum, one) => sum + one.file.size, 0) || 1;
  bar.value = 0;
  says.textContent = `Sending ${name}`;
  busy += 1;
  try {
    const { id } = await ask("POST", "/api/uploads", JSON.stringify({ name }), "application/json");
    const waiting = [...files];
    const one = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        await ask("PUT", `/api/uploads/${id}/files?name=${encodeURIComponent(next.name)}`, next.file);
        bar.value += next.file.size;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
    await ask("POST", `/api/uploads/${id}/submit`);
    line.remove();
  } catch (error) {
    bar.remove();
    says.className = "refused";
    says.textContent = `${name} was not taken: ${error.message}`;
  }
  busy -= 1;
  refresh();
}

function sendChosen(files) {
  const found = [...files].map((file) => ({ name: file.webkitRelativePath || file.name, file }));
  if (found.length) sendGroups(found);
}

// A folder is one upload, and so are the loose pictures and DICOM files of a drop; each archive or volume is its own.
function sendGroups(found) {
  const groups = new Map();
  for (const one of found) {
    const [top, ...rest] = one.name.split("/");
    const whole = !rest.length && /\.(zip|nii|nii\.gz|nrrd|mha|mgz)$/i.test(top);
    const key = rest.length || whole ? top : "files";
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  for (const [name, files] of groups) send(files.length === 1 ? files[0].name : `${name} (${files.length} files)`, files);
}

async function walk(entry, path, found) {
  if (entry.isFile) {
    found.push({ name: path + entry.name, file: await new Promise((take, fail) => entry.file(take, fail)) });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((take, fail) => reader.readEntries(take, fail));
    if (!some.length) return;
    for (const one of some) await walk(one, `${path}${entry.name}/`, found);
  }
}

for (const id of ["files", "folder"]) {
  document.getElementById(id).addEventListener("change", (event) => { sendChosen(event.target.files); event.target.value = ""; });
}
document.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return sendChosen(event.dataTransfer.files);
  const found = [];
  for (const entry of entries) await walk(entry, "", found);
  if (found.length) sendGroups(found);
});
window.addEventListener("beforeunload", (event) => { if (busy) event.preventDefault(); });
