// Asks before something is deleted, and deletes it.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-remove]");
  if (!button || !confirm(`Delete ${button.dataset.said} with all its files, answers and readings?`)) return;
  button.disabled = true;
  const answer = await fetch(button.dataset.remove, { method: "DELETE" });
  if (answer.ok && "home" in button.dataset) location.href = "/";
  else if (!answer.ok) { alert((await answer.json()).detail); button.disabled = false; }
});
