// The sign-up form on other sites: <script src="…/subscribe/embed.js?digest=NAME" async></script>. No cookies, no tracking.
(() => {
  "use strict";

  const script = document.currentScript;
  const source = new URL(script.src);
  const base = source.href.slice(0, source.href.indexOf("/subscribe/embed.js"));
  const digest = source.searchParams.get("digest") || "";
  const ask = new URL(base + "/subscribe/token");
  ask.searchParams.set("digest", digest);
  ask.searchParams.set("language", document.documentElement.lang || navigator.language);

  const make = (name, values, ...inside) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(values)) element.setAttribute(key, value);
    element.append(...inside);
    return element;
  };

  const show = (said) => {
    const id = "syndicate-" + Math.random().toString(36).slice(2);
    const trap = make("input", { name: "website", tabindex: "-1", autocomplete: "off", "aria-hidden": "true" });
    trap.hidden = true;
    const email = make("input", { id, type: "email", name: "email", required: "", maxlength: "254", autocomplete: "email" });
    const status = make("p", { role: "status" });
    const button = make("button", { type: "submit" }, said.subscribe);
    const form = make(
      "form",
      { class: "syndicate-form", method: "post", action: base + "/subscribe", lang: said.language, dir: said.dir },
      make("p", {}, make("label", { for: id }, said.email), " ", email),
      make("p", {}, make("small", {}, said.consent)),
      make("p", {}, button),
      status,
      trap,
    );
    const hidden = { digest, stamp: said.stamp, speak: said.language, form: "embed", timezone: Intl.DateTimeFormat().resolvedOptions().timeZone };
    for (const [name, value] of Object.entries(hidden)) form.append(make("input", { type: "hidden", name, value }));
    form.addEventListener("submit", async (event) => {
      if (said.proof) return; // computed on the publisher's own page
      event.preventDefault();
      button.disabled = true;
      try {
        const answer = await fetch(form.action, {
          method: "POST",
          headers: { accept: "application/json" },
          body: new URLSearchParams(new FormData(form)),
          credentials: "omit",
        });
        const told = await answer.json();
        if (told.stamp) form.elements.stamp.value = told.stamp;
        status.textContent = told.message;
        button.disabled = told.state === "sent";
      } catch {
        button.disabled = false;
        form.submit();
      }
    });
    script.after(form);
  };

  fetch(ask, { credentials: "omit" })
    .then((answer) => answer.json())
    .then(show)
    .catch(() => script.after(make("a", { href: base + "/subscribe?digest=" + encodeURIComponent(digest) }, base)));
})();
