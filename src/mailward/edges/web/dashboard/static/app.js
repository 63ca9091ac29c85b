// Three small comforts; every page works without them.
"use strict";

// A copy button beside whatever is meant to be copied.
function addCopyButtons(root) {
  for (const code of root.querySelectorAll("code[data-copy]")) {
    if (code.nextElementSibling && code.nextElementSibling.classList.contains("copy")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy small";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy " + code.textContent.slice(0, 60));
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Press Ctrl+C";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1600);
    });
    code.after(button);
  }
}
addCopyButtons(document);

// Ask before what cannot be undone.
document.addEventListener("submit", (event) => {
  const question = event.submitter && event.submitter.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// A tab nobody looks at asks nothing.
document.addEventListener("htmx:before:request", (event) => {
  if (document.hidden) event.preventDefault();
});
