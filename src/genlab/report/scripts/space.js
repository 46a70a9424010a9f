// Latents in space: drawn when looked at; the image of the mark under the cursor stands beside it.
for (const space of document.querySelectorAll(".space")) whenSeen(space, async () => {
  const {points, axes, classes, columns, size: [width, height], scale} = readData("space-data");
  const sheet = new Image();
  sheet.src = space.dataset.sheet;
  const Plotly = await plotly();
  space.textContent = "";

  const colours = () => classes.map(each => darkScheme.matches ? each.dark : each.light);
  const traces = classes.map((each, index) => ({
    type: "scatter3d", mode: "markers", name: each.name, hoverinfo: "none", customdata: each.rows,
    x: each.rows.map(row => points[0][row]), y: each.rows.map(row => points[1][row]), z: each.rows.map(row => points[2][row]),
    marker: {size: 3, color: colours()[index], opacity: 0.8, line: {width: 0}},
  }));
  const layout = () => {
    const {ink, soft, line, family} = look();
    const axis = name => ({
      title: {text: name}, gridcolor: line, zerolinecolor: line, color: soft, showbackground: false,
      showspikes: false, showticklabels: name !== "",
    });
    return {
      autosize: true, margin: {l: 0, r: 0, t: 0, b: 0}, paper_bgcolor: "rgba(0,0,0,0)", font: {family, color: ink, size: 12},
      legend: {orientation: "h", y: 0, yanchor: "top", itemsizing: "constant"}, showlegend: classes.length > 1,
      scene: {xaxis: axis(axes[0]), yaxis: axis(axes[1]), zaxis: axis(axes[2]), aspectmode: "cube", camera: camera()},
    };
  };
  const turned = {angle: 0.9, height: 0.5, distance: 2};
  const camera = () => ({eye: {
    x: turned.distance * Math.cos(turned.angle) * Math.cos(turned.height),
    y: turned.distance * Math.sin(turned.angle) * Math.cos(turned.height),
    z: turned.distance * Math.sin(turned.height),
  }});
  await Plotly.newPlot(space, traces, layout(), {responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: true});
  space.dataset.drawn = "";
  darkScheme.addEventListener("change", () => Plotly.update(space, {"marker.color": colours()}, layout()));

  const tip = document.createElement("figure"), canvas = document.createElement("canvas"), words = document.createElement("figcaption");
  tip.className = "tip";
  tip.hidden = true;
  Object.assign(canvas, {width, height});
  canvas.style.width = width * scale + "px";
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
    ArrowLeft: () => { turned.angle -= 0.1; }, ArrowRight: () => { turned.angle += 0.1; },
    ArrowUp: () => { turned.height = Math.min(1.5, turned.height + 0.1); },
    ArrowDown: () => { turned.height = Math.max(-1.5, turned.height - 0.1); },
    "+": () => { turned.distance = Math.max(0.4, turned.distance / 1.15); }, "-": () => { turned.distance *= 1.15; },
  };
  space.addEventListener("keydown", event => {
    if (!(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
    Plotly.relayout(space, {"scene.camera": camera()});
  });
});
