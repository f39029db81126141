// Before the first paint: the theme that was chosen in this browser, if one was. The system's otherwise.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage, no choice.
}
