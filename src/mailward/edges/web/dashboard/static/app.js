// Small comforts; every page works without them.
"use strict";

// A copy button beside whatever is meant to be copied.
function addCopyButtons(root) {
  for (const code of root.querySelectorAll("code[data-copy]")) {
    const whole = code.closest("pre") || code;
    if (whole.nextElementSibling && whole.nextElementSibling.classList.contains("copy")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy small";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy " + (code.dataset.copy || code.textContent.slice(0, 60)));
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
    whole.after(button);
  }
}
addCopyButtons(document);

// The answer to a form that shows a secret once is a page like any other: reloading it asks for the page, not for the
// form again, and a spent link does not stay in the history.
const shown = document.querySelector("[data-address]");
if (shown) history.replaceState(null, "", shown.dataset.address);

// Ask before what cannot be undone.
document.addEventListener("submit", (event) => {
  const question = event.submitter && event.submitter.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// What is typed is previewed in its frame a moment later. A fresh frame each time: the way back stays as it was.
const live = document.querySelector("button[data-live]");
if (live) {
  let pause;
  live.form.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(() => {
      const old = document.getElementsByName(live.formTarget)[0];
      old.replaceWith(old.cloneNode(false));
      live.form.requestSubmit(live);
    }, 600);
  });
}

// A tab nobody looks at asks nothing.
document.addEventListener("htmx:before:request", (event) => {
  if (document.hidden) event.preventDefault();
});
