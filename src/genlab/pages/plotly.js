// Figures are drawn when they come into view; plotly.js, packed in the page, is unpacked for the first of them.
const plotly = (() => {
  let loading;
  const load = async () => {
    const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent.trim()), sign => sign.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    return window.Plotly;
  };
  return () => loading ??= load();
})();

function readData(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

{
  const darkScheme = matchMedia("(prefers-color-scheme: dark)"), slider = document.querySelector(".smoothing input");
  const css = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

  // Returns a figure in the colours of the reader's scheme: it has them as in CSS, var(--ink) and light-dark(#000, #fff).
  const read = source => JSON.parse(source.textContent, (_, value) => typeof value !== "string" ? value : value
    .replace(/^var\(--(\w+)\)$/, (_, name) => css(name))
    .replace(/^light-dark\((\S+), (\S+)\)$/, darkScheme.matches ? "$2" : "$1"));

  const look = () => {
    const lines = {gridcolor: css("line"), linecolor: css("line"), color: css("soft")};
    const flat = {...lines, zeroline: false, automargin: true, exponentformat: "none"};
    const deep = {...lines, zerolinecolor: css("line"), showbackground: false, showspikes: false};
    return {layout: {
      autosize: true, margin: {l: 8, r: 8, t: 8, b: 8}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: {family: css("sans"), color: css("ink"), size: 12}, dragmode: false,
      hoverlabel: {bgcolor: css("card"), bordercolor: css("line"), font: {color: css("ink")}},
      legend: {orientation: "h", y: 1, yanchor: "bottom", x: 0},
      xaxis: flat, yaxis: flat, scene: {xaxis: deep, yaxis: deep, zaxis: deep},
    }};
  };

  // As TensorBoard: an exponential moving average, corrected for its start at 0.
  const smooth = (values, weight) => {
    let last = 0, power = 1;
    return values.map(value => {
      last = last * weight + (1 - weight) * value;
      power *= weight;
      return last / (1 - power);
    });
  };
  const smoothed = lines => lines.flatMap(line => [
    {...line, line: {...line.line, width: 1}, opacity: 0.25, hoverinfo: "skip", hovertemplate: null, showlegend: false},
    {...line, y: smooth(line.y, Number(slider.value))},
  ]);

  const draw = async plot => {
    const {data, layout} = read(plot.nextElementSibling);
    const traces = plot.closest(".smoothed") ? smoothed(data) : data;
    const options = {responsive: true, displaylogo: false, displayModeBar: false};
    // uirevision: what the reader has turned or hidden stays so.
    await (await plotly()).react(plot, traces, {...layout, template: look(), uirevision: true}, options);
    plot.dataset.drawn = "";
    plot.dispatchEvent(new Event("drawn"));
  };
  const again = selector => document.querySelectorAll(selector).forEach(draw);
  const observer = new IntersectionObserver(entries => entries.filter(entry => entry.isIntersecting).forEach(({target}) => {
    observer.unobserve(target);
    draw(target);
  }), {rootMargin: "300px"});
  document.querySelectorAll(".plot").forEach(plot => observer.observe(plot));
  darkScheme.addEventListener("change", () => again(".plot[data-drawn]"));
  slider?.addEventListener("input", () => {
    slider.nextElementSibling.textContent = Number(slider.value).toFixed(2);
    again(".smoothed .plot[data-drawn]");
  });
}
