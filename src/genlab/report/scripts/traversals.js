// Traversals: a slider per latent dimension picks an image from the sheet, a row per dimension and a column per step.
for (const walks of document.querySelectorAll(".walks")) {
  const {offsets, size: [width, height], places} = readData("traversals-data");
  const sheets = [...walks.querySelectorAll(".sheet img")];
  walks.append(walks.querySelector("template").content);
  walks.classList.add("live");
  const tiles = [...walks.querySelectorAll(".tiles li")].map((tile, row) => ({
    row, canvas: tile.querySelector("canvas"), slider: tile.querySelector("input"),
  }));
  const scale = Number(walks.dataset.scale);
  let start = 0;

  const show = ({row, canvas, slider}) => {
    const offset = offsets[slider.value], text = (offset > 0 ? "+" : "") + offset.toFixed(1) + " deviations";
    const at = [slider.value * width, row * height, width, height];
    canvas.getContext("2d").drawImage(sheets[start], ...at, 0, 0, width, height);
    canvas.setAttribute("aria-label", slider.getAttribute("aria-label") + ", " + text);
    slider.setAttribute("aria-valuetext", text);
    slider.title = text;
  };
  const begin = async () => {
    start = Number(walks.querySelector("input[name=start]:checked").value);
    sheets[start].loading = "eager";
    await sheets[start].decode();
    for (const tile of tiles) {
      tile.slider.value = places[start][tile.row];
      show(tile);
    }
  };
  for (const tile of tiles) {
    tile.canvas.style.width = width * scale + "px";
    tile.slider.addEventListener("input", () => show(tile));
  }
  for (const choice of walks.querySelectorAll("input[name=start]")) choice.addEventListener("change", begin);
  walks.querySelector("button").addEventListener("click", begin);
  begin();
}
