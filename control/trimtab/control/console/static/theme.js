// Before the first paint, and thus no module: the remembered theme must not flash in after the other one.
try {
  const theme = localStorage.getItem("trimtab-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be refused; then the system's theme it is.
}
