// Plots of the overview, drawn from the table beside them. Without this file the table is what there is.
"use strict";

(() => {
  const table = document.querySelector("table[data-figures]");
  if (!table || typeof uPlot === "undefined") return;
  const rows = [...table.tBodies[0].rows].map((row) =>
    [...row.cells].map((cell) => (cell.dataset.v === "" ? null : Number(cell.dataset.v))));
  const column = (i) => rows.map((row) => row[i]);
  const time = column(0);
  const hourly = table.dataset.figures === "hourly";
  const short = (n) => (n >= 1e6 ? (n / 1e6).toFixed(1) + "M" : n >= 1e4 ? Math.round(n / 1e3) + "k" : String(n));
  const took = (ms) => (ms == null ? "–" : ms < 1000 ? ms + " ms" : ms < 60000 ? ms / 1000 + " s" : Math.round(ms / 60000) + " min");
  const two = (n) => String(n).padStart(2, "0");
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const when = (t) => {
    const d = new Date(t * 1000);
    const day = d.getUTCDate() + " " + months[d.getUTCMonth()];
    return hourly ? day + " " + two(d.getUTCHours()) + ":00" : day;
  };
  const drawn = [];

  function draw(figure) {
    const probe = (series) => getComputedStyle(figure.querySelector(`[data-series="${series}"]`)).color;
    const root = getComputedStyle(figure);
    const line = getComputedStyle(figure.querySelector(".canvas")).borderTopColor;
    const kind = figure.dataset.plot;
    const names = [...figure.querySelectorAll("[data-series]")];
    const values = kind === "took" ? (u, v) => took(v) : kind === "share" ? (u, v) => (v == null ? "–" : v + " %") : (u, v) => (v == null ? "–" : v);
    const series = names.map((name, i) => ({
      label: name.textContent,
      stroke: probe(name.dataset.series),
      fill: kind === "volume" && i === 0 ? probe(name.dataset.series).replace(/^rgb\((.*)\)$/, "rgba($1, 0.1)") : undefined,
      width: 1.75,
      dash: i % 2 ? [6, 4] : undefined,
      points: { show: rows.length < 40, size: 5 },
      spanGaps: kind !== "volume",
      value: values,
    }));
    const axis = { stroke: root.color, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "12px " + root.fontFamily };
    const place = figure.querySelector(".canvas");
    const plot = new uPlot({
      width: place.clientWidth,
      height: 190,
      tzDate: (t) => uPlot.tzDate(new Date(t * 1000), "Etc/UTC"),
      cursor: { y: false, points: { size: 7 }, sync: { key: "overview" }, drag: { x: false, y: false } },
      legend: { show: true },
      scales: { y: { range: (u, low, high) => kind === "share" && figure.dataset.full === "yes" ? [Math.max(0, Math.min(low ?? 90, 90)), 100] : [0, Math.max(high || 0, kind === "took" ? 100 : 1) * 1.1] } },
      series: [{ label: "Time (UTC)", value: (u, t) => (t == null ? "–" : when(t)) }, ...series],
      axes: [
        { ...axis, grid: { show: false }, space: 70, gap: 9, values: (u, ticks) => ticks.map((t) => { const d = new Date(t * 1000); return hourly && rows.length < 30 ? two(d.getUTCHours()) + ":" + two(d.getUTCMinutes()) : d.getUTCDate() + " " + months[d.getUTCMonth()]; }) },
        { ...axis, size: kind === "took" ? 62 : 48, values: (u, ticks) => ticks.map((v) => (kind === "took" ? took(v) : kind === "share" ? v + "%" : v % 1 ? "" : short(v))) },
      ],
    }, [time, ...names.map((name) => column(Number(name.dataset.column)))], place);
    drawn.push([plot, place]);
  }

  function all() {
    while (drawn.length) drawn.pop()[0].destroy();
    for (const figure of document.querySelectorAll("figure[data-plot]")) {
      figure.hidden = false;
      draw(figure);
    }
  }
  all();
  addEventListener("resize", () => { for (const [plot, place] of drawn) plot.setSize({ width: place.clientWidth, height: 190 }); });
  // The colours are read when drawing.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
})();
