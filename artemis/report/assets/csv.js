// The rows that a filter shows as CSV, whole and in their order, also those that are not laid out.
// Written as artemis/report/tabular.py writes; docs/outputs.md describes the columns.
(() => {
  const recordOf = (row, table, models) => {
    const words = (column) => row.cells[column].textContent.trim();
    const path = row.querySelector(".path");
    const codes = (row.dataset.r ?? "").replaceAll(" ", ";");
    const [status, ...marks] = row.dataset.s.split(" ");
    const classified = status === "ok";
    const record = {
      run_id: table.dataset.run, slice_id: row.dataset.id ?? "", number: words(0),
      path: path.textContent, path_shortened: String(path.classList.contains("cut")),
      frame: words(3), header_plane: words(4), status, reason_code: classified ? "" : codes,
      needs_review: classified ? String(marks.includes("review")) : "", review_reasons: classified ? codes : "",
      why: words(row.cells.length - 1),
    };
    models.forEach((model, order) => {
      const [answer, confidence] = [0, 1].map((next) => row.cells[Number(table.dataset.answers) + 2 * order + next]);
      const given = answer.dataset.v !== undefined;
      record[`category_${model}`] = given ? table.dataset.categories.split(" ")[answer.dataset.v] : "";
      record[`confidence_shown_${model}`] = given ? confidence.textContent : "";
    });
    return record;
  };
  const csvOf = (rows, table) => {
    const models = [...table.querySelectorAll("th.group")].map((head) => head.textContent);
    const columns = ["run_id", "slice_id", "number", "path", "path_shortened", "frame", "header_plane", "status", "reason_code",
      ...models.flatMap((model) => [`category_${model}`, `confidence_shown_${model}`]), "needs_review", "review_reasons", "why"];
    const records = rows.map((row) => recordOf(row, table, models));
    const lines = [columns, ...records.map((record) => columns.map((name) => record[name]))];
    return lines.map((line) => `${line.map(cellOf).join(",")}\r\n`).join("");
  };
  for (const button of document.querySelectorAll('.filter [data-f="csv"]')) {
    const form = button.closest(".filter");
    const table = document.getElementById(form.dataset.for);
    button.addEventListener("click", async () => {
      const list = lists.get(table);
      await list.ready;
      const rows = list.shown();
      download(`slices_${table.dataset.run}.csv`, csvOf(rows, table));
      form.querySelector("output").textContent = `${counted(rows.length, "row")} in the CSV`;
    });
  }
})();
