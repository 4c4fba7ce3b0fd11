// A convenience: guesses the time zone, and offers the names of all. Every page works without it.
"use strict";
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const field of document.querySelectorAll("[data-zone]")) {
  if (zone && (field.value === "" || field.value === "UTC")) field.value = zone;
}
const zones = document.getElementById("zones");
if (zones && Intl.supportedValuesOf) {
  for (const name of Intl.supportedValuesOf("timeZone")) {
    zones.append(Object.assign(document.createElement("option"), { value: name }));
  }
}
