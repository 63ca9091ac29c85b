// Passkeys: a form with data-passkey ("get" or "create") asks data-ask for options, has the browser's device sign or
// make a key, puts the answer into its field "passkey", and is sent like any other form.
"use strict";
(() => {
  const octets = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const named = (list) => (list || []).map((key) => ({ ...key, id: octets(key.id) }));

  async function options(form) {
    const answer = await fetch(form.dataset.ask, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      headers: { accept: "application/json" },
    });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.problem || "That did not work. Reload the page and try again.");
    return said;
  }

  async function create(form) {
    const asked = await options(form);
    asked.challenge = octets(asked.challenge);
    asked.user.id = octets(asked.user.id);
    asked.excludeCredentials = named(asked.excludeCredentials);
    const made = await navigator.credentials.create({ publicKey: asked });
    return {
      id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: {},
      response: {
        clientDataJSON: text(made.response.clientDataJSON),
        attestationObject: text(made.response.attestationObject),
      },
    };
  }

  async function get(form) {
    const asked = await options(form);
    asked.challenge = octets(asked.challenge);
    asked.allowCredentials = named(asked.allowCredentials);
    const shown = await navigator.credentials.get({ publicKey: asked });
    const r = shown.response;
    return {
      id: shown.id, rawId: text(shown.rawId), type: shown.type, clientExtensionResults: {},
      response: {
        clientDataJSON: text(r.clientDataJSON), authenticatorData: text(r.authenticatorData),
        signature: text(r.signature), userHandle: r.userHandle ? text(r.userHandle) : null,
      },
    };
  }

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const told = form.querySelector("[data-told]");
    const site = form.dataset.site;
    if (!window.PublicKeyCredential || (location.hostname !== site && !location.hostname.endsWith("." + site))) {
      // Browsers know no passkeys for an address without a name.
      if (told && window.PublicKeyCredential) {
        const there = document.createElement("a");
        there.href = `${location.protocol}//${site}${location.port && ":" + location.port}${location.pathname}`;
        there.textContent = `Open this page at ${site}`;
        told.replaceChildren(there, " to use a passkey: browsers know none for an address without a name.");
      }
      continue;
    }
    for (const part of form.querySelectorAll("[data-passkey-button], [data-passkey-part]")) part.hidden = false;
    form.addEventListener("submit", async (event) => {
      const button = event.submitter;
      if (!button || !button.hasAttribute("data-passkey-button")) return;
      event.preventDefault();
      // The button may stand beside fields for a password, which it does without.
      if ([...form.elements].some((field) => field.type !== "password" && !field.reportValidity())) return;
      button.disabled = true;
      if (told) told.textContent = "Waiting for your passkey…";
      try {
        const answer = await (form.dataset.passkey === "create" ? create(form) : get(form));
        form.elements.passkey.value = JSON.stringify(answer);
        if (button.hasAttribute("formaction")) form.action = button.formAction;
        form.submit();
      } catch (error) {
        const quiet = error.name === "NotAllowedError" ? "Nothing was confirmed. Try again when you are ready." : "";
        if (told) told.textContent = quiet || error.message;
        button.disabled = false;
      }
    });
  }
})();
