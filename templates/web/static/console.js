// A convenience: shows what has changed every few seconds. Every page works without it.
"use strict";
const EVERY = 5000;
const refresh = async () => {
  if (document.hidden) return;
  const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const shown of document.querySelectorAll("[data-live]")) {
    const fresh = page.querySelector(`[data-live="${shown.dataset.live}"]`);
    // A form that somebody fills in stays as it is.
    const isInUse = shown.contains(document.activeElement) || [...shown.querySelectorAll("input:not([type=hidden])")].some((field) => field.value);
    if (fresh && !isInUse && fresh.innerHTML !== shown.innerHTML) shown.replaceChildren(...fresh.childNodes);
  }
};
const again = () => setTimeout(() => refresh().catch(() => {}).finally(again), EVERY);
again();
