// Latents in space: the image of the mark under the cursor stands beside it; arrow keys turn the figure.
for (const space of document.querySelectorAll(".space")) space.addEventListener("drawn", () => {
  const {columns, width, height} = Object.fromEntries(Object.entries(space.dataset).map(([key, value]) => [key, Number(value)]));
  const sheet = new Image();
  sheet.src = space.dataset.sheet;
  const tip = document.createElement("figure"), canvas = document.createElement("canvas"), words = document.createElement("figcaption");
  tip.className = "tip";
  tip.hidden = true;
  Object.assign(canvas, {width, height});
  canvas.style.width = width * Math.ceil(56 / Math.max(width, height)) + "px";
  tip.append(canvas, words);
  space.append(tip);
  let cursor = [0, 0];
  space.addEventListener("pointermove", event => {
    const box = space.getBoundingClientRect();
    cursor = [event.clientX - box.left, event.clientY - box.top];
  }, true);
  space.on("plotly_hover", ({points: [point]}) => {
    const row = point.customdata;
    canvas.getContext("2d").drawImage(
      sheet, (row % columns) * width, Math.floor(row / columns) * height, width, height, 0, 0, width, height);
    words.textContent = point.data.name + ", test image " + row;
    tip.hidden = false;
    const left = Math.min(cursor[0] + 16, space.clientWidth - tip.offsetWidth - 4);
    const top = Math.min(cursor[1] + 16, space.clientHeight - tip.offsetHeight - 4);
    tip.style.transform = `translate(${Math.max(0, left)}px, ${Math.max(0, top)}px)`;
  });
  space.on("plotly_unhover", () => { tip.hidden = true; });

  // The wheel scrolls the page until the figure was clicked.
  space.addEventListener("pointerdown", () => space.focus({preventScroll: true}), true);
  space.addEventListener("wheel", event => {
    if (!space.contains(document.activeElement)) event.stopImmediatePropagation();
  }, {capture: true, passive: true});

  const keys = {
    ArrowLeft: view => { view.angle -= 0.1; }, ArrowRight: view => { view.angle += 0.1; },
    ArrowUp: view => { view.height = Math.min(1.5, view.height + 0.1); },
    ArrowDown: view => { view.height = Math.max(-1.5, view.height - 0.1); },
    "+": view => { view.distance = Math.max(0.4, view.distance / 1.15); }, "-": view => { view.distance *= 1.15; },
  };
  space.addEventListener("keydown", async event => {
    if (!(event.key in keys)) return;
    event.preventDefault();
    const {x, y, z} = space.layout.scene.camera.eye, distance = Math.hypot(x, y, z);
    const view = {angle: Math.atan2(y, x), height: Math.asin(z / distance), distance};
    keys[event.key](view);
    const flat = view.distance * Math.cos(view.height);
    const eye = {x: flat * Math.cos(view.angle), y: flat * Math.sin(view.angle), z: view.distance * Math.sin(view.height)};
    (await plotly()).relayout(space, {"scene.camera.eye": eye});
  });
}, {once: true});
