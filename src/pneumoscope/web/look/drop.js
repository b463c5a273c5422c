// Sends each film as one request of its own, then tells the page which arrived.
const input = element.querySelector("input");
const zone = element.querySelector(".drop");
const sending = element.querySelector(".sending");
const root = new URL(window.gradio_config?.root || "/", location.href).pathname.replace(/\/$/, "");
let underway = false;

const busy = () => underway || element.querySelector("[data-busy]") !== null;
const show = () => {
  zone.classList.toggle("busy", busy());
  zone.classList.toggle("underway", underway);
};

function send(file, told) {
  return new Promise((done) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${root}/films`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => told(event.loaded / Math.max(1, event.total));
    request.onload = () => {
      const ticket = request.status === 200 ? JSON.parse(request.response).ticket : null;
      done({ ticket, status: request.status });
    };
    request.onerror = () => done({ ticket: null, status: 0 });
    request.send(file);
  });
}

async function take(files) {
  if (files.length === 0 || busy()) return;
  if (files.length > props.films) {
    sending.textContent = `These are ${files.length} files; send at most ${props.films} at one go.`;
    return;
  }
  underway = true;
  show();
  const films = [];
  for (const file of files) {
    const place = files.length > 1 ? ` ${films.length + 1} of ${files.length}` : "";
    const told = (share) => { sending.textContent = `Sending${place}, ${Math.round(100 * share)} %`; };
    const fits = file.size <= props.megabytes * 1048576;
    films.push({ name: file.name, ...(fits ? await send(file, told) : { ticket: null, status: 413 }) });
  }
  const unanswered = films.every((film) => film.status === 0);
  sending.textContent = unanswered ? "Nothing arrived: the server does not answer, or the files cannot be read." : "";
  underway = false;
  show();
  if (!unanswered) trigger("films", { films });
}

// A dropped folder holds entries, each a file or a folder again.
async function within(entry) {
  if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (some.length === 0) return found;
    for (const one of some) found.push(...(await within(one)));
  }
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return take([...transfer.files]);
  const files = [];
  for (const entry of entries) files.push(...(await within(entry)));
  return take(files);
}

input.addEventListener("change", () => {
  const files = [...input.files];
  input.value = "";
  take(files);
});
zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
zone.addEventListener("dragleave", () => zone.classList.remove("over"));
zone.addEventListener("drop", (event) => {
  event.preventDefault();
  zone.classList.remove("over");
  dropped(event.dataTransfer);
});
watch("value", () => {
  if (!underway) sending.textContent = "";
  show();
});
