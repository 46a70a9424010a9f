// Training curves: drawn when looked at; the slider smooths all of them.
{
  const panels = readData("panels-data"), slider = document.querySelector(".smoothing input");
  const output = document.querySelector(".smoothing output");

  // As TensorBoard: an exponential moving average, corrected for its start at 0.
  const smooth = (values, weight) => {
    let last = 0, power = 1;
    return values.map(value => {
      last = last * weight + (1 - weight) * value;
      power *= weight;
      return last / (1 - power);
    });
  };
  const traces = ({lines, many, compared}) => {
    const {ink} = look(), seen = new Set();
    return lines.flatMap(({name, split, colour, steps, values}) => {
      const common = {x: steps, mode: steps.length < 3 ? "markers+lines" : "lines", name, legendgroup: name};
      const line = {color: split === "train" || many || compared ? colour : ink, width: many ? 1 : 1.7, dash: split === "train" || many ? "solid" : "dash"};
      const shown = !seen.has(name);
      seen.add(name);
      return [
        {...common, y: values, line: {...line, width: 1}, opacity: 0.25, hoverinfo: "skip", showlegend: false},
        {...common, y: values, line, showlegend: shown && !many, opacity: many ? 0.7 : 1, hovertemplate: "%{y:.5g}"},
      ];
    });
  };
  const layout = ({scale, range, many}) => {
    const {ink, soft, line, card, family} = look();
    const axis = {gridcolor: line, linecolor: line, zeroline: false, color: soft, automargin: true, exponentformat: "none"};
    return {
      autosize: true, margin: {l: 8, r: 8, t: 8, b: 8}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: {family, color: ink, size: 12}, dragmode: false, hovermode: many ? "closest" : "x unified",
      hoverlabel: {bgcolor: card, bordercolor: line, font: {color: ink}},
      legend: {orientation: "h", y: 1, yanchor: "bottom", x: 0}, showlegend: !many,
      xaxis: {...axis, title: {text: "step"}, tickformat: ",d", nticks: 6},
      yaxis: {...axis, type: scale, ...(range && scale === "linear" ? {range} : {})},
    };
  };
  const apply = (Plotly, plot, panel) => {
    const weight = Number(slider.value), ys = panel.lines.map(line => smooth(line.values, weight));
    Plotly.restyle(plot, {y: ys}, panel.lines.map((_, index) => 2 * index + 1));
  };
  const drawn = new Map();
  for (const plot of document.querySelectorAll(".plot[data-panel]")) whenSeen(plot, async () => {
    const panel = panels[plot.dataset.panel], Plotly = await plotly();
    await Plotly.newPlot(plot, traces(panel), layout(panel), {responsive: true, displaylogo: false, displayModeBar: false});
    drawn.set(plot, panel);
    apply(Plotly, plot, panel);
    plot.dataset.drawn = "";
  });
  slider.addEventListener("input", async () => {
    output.textContent = Number(slider.value).toFixed(2);
    for (const [plot, panel] of drawn) apply(await plotly(), plot, panel);
  });
  darkScheme.addEventListener("change", async () => {
    for (const [plot, panel] of drawn) {
      await (await plotly()).react(plot, traces(panel), layout(panel));
      apply(await plotly(), plot, panel);
    }
  });
}
