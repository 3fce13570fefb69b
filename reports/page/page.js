"use strict";
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const plots = JSON.parse(document.getElementById("plots").textContent);
  const read = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function themed(layout) {
    const result = structuredClone(layout);
    Object.assign(result, {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: read("--sans"), size: 13, color: read("--text") },
      hoverlabel: { bgcolor: read("--panel"), font: { color: read("--text") } },
    });
    for (const name of result.annotations) {
      if (name.text) name.bgcolor = read("--page"); // a limit's name is read across bars, too
    }
    for (const key of Object.keys(result)) {
      if (/^[xy]axis/.test(key)) {
        result[key].title = { ...result[key].title, font: { size: 12 }, standoff: 8 };
        Object.assign(result[key], {
          gridcolor: read("--grid"),
          zerolinecolor: read("--line"),
          linecolor: read("--line"),
          automargin: true,
        });
      }
    }
    return result;
  }

  // Where names stand one below another, a long legend would leave no room for the plot.
  function sized(plot) {
    const names = plot.data.filter((trace) => trace.showlegend).length;
    const narrow = window.innerWidth < 560 && names > 5;
    return { ...plot.layout, height: plot.layout.height + (narrow ? 24 * names : 0) };
  }

  function draw() {
    for (const [name, plot] of Object.entries(plots)) {
      Plotly.react(`plot-${name}`, plot.data, themed(sized(plot)), {
        displayModeBar: false,
        responsive: true,
      });
    }
  }

  // A plot that was drawn in a closed part of the page knows its width when that opens.
  function opened(event) {
    event.target.querySelectorAll(".js-plotly-plot").forEach((plot) => Plotly.Plots.resize(plot));
  }

  draw();
  document.addEventListener("toggle", opened, true);
  dark.addEventListener("change", draw);
})();
