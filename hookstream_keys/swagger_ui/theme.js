// Light or dark: as the system is set, until a person chooses in this tab.
'use strict';

(() => {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const root = document.documentElement;

  // Not a secret, and so in the browser's storage; without storage, or with another value, the
  // system decides.
  function chosen() {
    try {
      const theme = sessionStorage.getItem('theme');
      return ['light', 'dark'].includes(theme) ? theme : null;
    } catch {
      return null;
    }
  }

  function show() {
    const theme = chosen() ?? (system.matches ? 'dark' : 'light');
    // Stoplight Elements reads the attribute, Swagger UI the class.
    root.dataset.theme = theme;
    root.classList.toggle('dark-mode', theme === 'dark');
    const button = document.getElementById('theme');
    if (button) button.textContent = theme === 'dark' ? 'Light mode' : 'Dark mode';
  }

  show();
  system.addEventListener('change', show);
  addEventListener('DOMContentLoaded', () => {
    show();
    document.getElementById('theme').addEventListener('click', () => {
      const theme = root.dataset.theme === 'dark' ? 'light' : 'dark';
      try {
        sessionStorage.setItem('theme', theme);
      } catch {
        // Storage is disabled: there is no choice to keep.
        return;
      }
      show();
    });
  });
})();
