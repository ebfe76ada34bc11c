"use strict";

// Before anything is drawn, so that nothing flashes: the choice that this browser remembers, light or dark.
try {
  const chosen = localStorage.getItem("dffmpeg-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is forbidden here: the system's choice counts.
}
