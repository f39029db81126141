((script, wasm) => {
  const bringToLife = async (element, islands, restore) => {
    if (element.localName === 'leptos-children') restore = element.$$on_hydrate;
    if (element.localName === 'leptos-island') {
      restore?.();
      const name = element.dataset.component;
      if (islands[name]) await islands[name](element);
      else console.warn(`There is no island ${name}.`);
    }
    for (const child of element.children) await bringToLife(child, islands, restore);
  };

  const start = async () => {
    const islands = await import(script);
    await islands.default({ module_or_path: wasm });
    islands.hydrate();
    await bringToLife(document.body, islands);
  };

  if ('requestIdleCallback' in window) window.requestIdleCallback(start);
  else start();
})
