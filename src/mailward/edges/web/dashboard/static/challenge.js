// Solves the proof of work of a form: the number whose SHA-256, after the salt, is the challenge.
"use strict";

async function solve(field, status) {
  const asked = await (await fetch(field.dataset.challenge, { credentials: "same-origin" })).json();
  const text = new TextEncoder();
  const wanted = asked.challenge;
  for (let number = 0; number <= asked.maxNumber; number++) {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", text.encode(asked.salt + number)));
    const hex = Array.from(hash, (b) => b.toString(16).padStart(2, "0")).join("");
    if (hex === wanted) {
      const { algorithm, challenge, salt, signature } = asked;
      field.value = btoa(JSON.stringify({ algorithm, challenge, number, salt, signature }));
      status.textContent = field.dataset.challengeSolved;
      const instead = field.form.querySelector("[data-challenge-instead]");
      if (instead) instead.hidden = true;
      return;
    }
  }
  status.textContent = field.dataset.challengeFailed;
}

for (const field of document.querySelectorAll("[data-challenge]")) {
  const form = field.form;
  const status = form.querySelector("[data-challenge-status]");
  const button = form.querySelector("button.primary");
  status.textContent = "Your browser is working on a puzzle, a second or two …";
  button.disabled = true;
  solve(field, status)
    .catch(() => { status.textContent = field.dataset.challengeFailed; })
    .finally(() => { button.disabled = false; });
  // A solution is good for ten minutes; what takes longer to write has another one by then.
  const again = Number(field.dataset.challengeAgain || 0);
  if (again) setInterval(() => solve(field, status).catch(() => {}), again * 1000);
}
