// Sorts the table where it stands, and says which film is to be shown.
let by = null;
let falling = false;

const keys = {
  number: (row) => Number(row.dataset.number),
  film: (row) => row.children[1].textContent,
  finding: (row) => row.children[2].textContent,
  probability: (row) => Number(row.children[3].dataset.key),
  remark: (row) => row.children[4].textContent,
};

function sort() {
  const body = element.querySelector("tbody");
  if (body === null || by === null) return;
  const key = keys[by];
  const rows = [...body.rows].sort((a, b) => {
    const [first, second] = [key(a), key(b)];
    const order = typeof first === "number" ? first - second : first.localeCompare(second, undefined, { numeric: true });
    return (falling ? -order : order) || keys.number(a) - keys.number(b);
  });
  body.append(...rows);
  for (const head of element.querySelectorAll("th")) {
    const here = head.firstElementChild.dataset.by === by;
    head.setAttribute("aria-sort", here ? (falling ? "descending" : "ascending") : "none");
  }
}

element.addEventListener("click", (event) => {
  const head = event.target.closest("th button");
  if (head !== null) {
    falling = head.dataset.by === by ? !falling : head.dataset.by === "probability";
    by = head.dataset.by;
    sort();
    return;
  }
  const row = event.target.closest("tbody tr");
  // While films are scored, the first is the one that is shown.
  if (row === null || document.querySelector("#drop [data-busy]") !== null) return;
  for (const other of element.querySelectorAll("tbody tr")) other.removeAttribute("aria-current");
  row.setAttribute("aria-current", "true");
  trigger("pick", { number: Number(row.dataset.number) });
});
watch("value", sort);
