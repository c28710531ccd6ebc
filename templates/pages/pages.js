// Helps where it can: fills in the reader's time zone, and computes where the publisher asks for a proof of work.
(() => {
  "use strict";

  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const field of document.querySelectorAll("select[data-zone]")) {
    if (!field.value && [...field.options].some((option) => option.value === zone)) field.value = zone;
  }

  // A topic that is ticked is wanted, also while "everything" was chosen before; and the other way round.
  for (const form of document.querySelectorAll("form")) {
    form.addEventListener("change", ({ target }) => {
      if (target.name === "topic" && target.checked) {
        const some = form.querySelector("input[name=scope][value=some]");
        if (some) some.checked = true;
      } else if (target.name === "scope" && target.value === "all") {
        for (const topic of form.querySelectorAll("input[name=topic]")) topic.checked = false;
      }
    });
  }

  for (const button of document.querySelectorAll("button[data-copy]")) {
    if (!navigator.clipboard) continue; // only where pages are secure
    button.hidden = false;
    button.addEventListener("click", async () => {
      const field = document.getElementById(button.dataset.copy);
      field.select();
      const label = button.textContent;
      try {
        await navigator.clipboard.writeText(field.value);
      } catch {
        return; // it is selected, to be copied by hand
      }
      button.textContent = button.dataset.done;
      setTimeout(() => (button.textContent = label), 2000);
    });
  }

  const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

  // ALTCHA, version 1: the number whose SHA-256 behind the salt is the challenge.
  const solve = async ({ algorithm, challenge, salt, signature, maxnumber }) => {
    const encoder = new TextEncoder();
    const step = 500;
    for (let first = 0; first <= maxnumber; first += step) {
      const found = await Promise.all(
        Array.from({ length: step }, (_, place) => crypto.subtle.digest("SHA-256", encoder.encode(salt + (first + place)))),
      );
      const place = found.findIndex((digest) => hex(digest) === challenge);
      if (place >= 0) return btoa(JSON.stringify({ algorithm, challenge, number: first + place, salt, signature }));
    }
    throw new Error("no number solves the challenge");
  };

  for (const form of document.querySelectorAll("form[data-proof]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("button");
      button.disabled = true;
      form.querySelector("[data-computing]").hidden = false;
      try {
        const answer = await fetch(form.dataset.proof, { cache: "no-store" });
        form.elements.proof.value = await solve(await answer.json());
      } finally {
        form.submit();
      }
    });
  }
})();
