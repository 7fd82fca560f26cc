// The page of moby-counter: shows the whales of everybody, places one per click.
//
// What the server lists is the truth. A click shows a ghost, which becomes a whale when the server
// has said ok and disappears when it has not.

const POLL_MS = 1000;
const READ_TIMEOUT_MS = 4000;
const SAVE_TIMEOUT_MS = 30000;  // longer than the server takes to give up, so that it says why
const NOTICE_MS = 5000;
const MAX_COORDINATE = 10000;

const element = (id) => document.getElementById(id);
const scroller = element("scroller");
const holder = element("holder");

let connected = false;
let whales = null;  // the whales on the page, "x:y", oldest first; null until first known
let saving = 0;     // clicks the server has not answered yet
let clicks = 0;
let noticeTimer;

// Talking to the server

async function read(path) {
  const response = await fetch(path, { signal: AbortSignal.timeout(READ_TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response;
}

async function poll() {
  const clicksBefore = clicks;
  try {
    const ping = await read("v1/ping");
    showNode(ping.headers.get("Served-By"));
    if (!(await ping.json()).connected) {
      showConnected(false);
      return;
    }
    const listed = await (await read("v1/whales")).json();
    // A list asked for while a click was being saved may hold it before it is acknowledged.
    if (saving === 0 && clicks === clicksBefore) showWhales(listed);
    showConnected(true);
  } catch {
    showConnected(false);
  }
}

async function keepPolling() {
  await poll();
  setTimeout(keepPolling, POLL_MS);
}

async function placeWhale(x, y) {
  if (!connected) return;
  const whale = `${x}:${y}`;
  const ghost = draw(whale, "ghost");
  saving += 1;
  clicks += 1;
  showMessage();
  try {
    const response = await fetch("v1/whales", {
      method: "POST",
      body: whale,
      headers: { "Content-Type": "text/plain" },
      signal: AbortSignal.timeout(SAVE_TIMEOUT_MS),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(answer);
    ghost.className = "whale new";
    whales.push(whale);
  } catch (error) {
    ghost.remove();
    showNotice(`This whale swam away: ${error.message}`);
  } finally {
    saving -= 1;
    showMessage();
  }
}

// Showing

function draw(whale, className) {
  const [x, y] = whale.split(":").map(Number);
  const place = document.createElement("div");
  const picture = document.createElement("img");
  picture.src = "whale.svg";
  picture.alt = "";
  picture.draggable = false;
  // Neighbours shall not rock in step.
  picture.style.setProperty("--offset", `${-((x * 7 + y * 13) % 50) / 10}s`);
  place.append(picture);
  place.className = className;
  place.dataset.x = x;
  place.dataset.y = y;
  place.style.left = `${x}px`;
  place.style.top = `${y}px`;
  holder.append(place);
  return place;
}

function showWhales(listed) {
  const first = whales === null;
  const known = whales ?? [];
  const isLonger = known.every((whale, index) => whale === listed[index]);
  if (!isLonger) holder.replaceChildren();
  for (const whale of isLonger ? listed.slice(known.length) : listed) {
    draw(whale, first || !isLonger ? "whale" : "whale new");
  }
  whales = listed;
  growSea();
  showMessage();
}

// The sea is as large as the window, and larger when a whale was placed in a larger window.
function growSea() {
  const furthest = (axis) =>
    whales.reduce((most, whale) => Math.max(most, Number(whale.split(":")[axis])), 0);
  const [x, y] = [furthest(0), furthest(1)];
  holder.style.width = x >= scroller.clientWidth ? `${x + 60}px` : "";
  holder.style.height = y >= scroller.clientHeight ? `${y + 60}px` : "";
}

function showMessage() {
  if (whales === null) return;
  element("clickmessage").hidden = !connected || whales.length + saving > 0;
  const count = whales.length === 1 ? "1 whale" : `${whales.length} whales`;
  // Only a change: a screen reader reads out every new text.
  if (element("count").textContent !== count) element("count").textContent = count;
}

function showConnected(isConnected) {
  connected = isConnected;
  element("preloader").hidden = isConnected;
  element("add").disabled = !isConnected;
  showMessage();
}

function showNode(node) {
  element("node").hidden = !node;
  element("node").querySelector("strong").textContent = node ?? "";
}

function showNotice(text) {
  element("notice").textContent = text;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { element("notice").textContent = ""; }, NOTICE_MS);
}

// What a visitor does

holder.addEventListener("click", (event) => {
  const sea = holder.getBoundingClientRect();
  const within = (value) => Math.min(Math.max(Math.round(value), 0), MAX_COORDINATE);
  placeWhale(within(event.clientX - sea.left), within(event.clientY - sea.top));
});

// For those who do not point: somewhere in the part of the sea that is in view.
element("add").addEventListener("click", () => {
  const somewhere = (start, length) => Math.round(start + length * (0.1 + 0.8 * Math.random()));
  placeWhale(
    somewhere(scroller.scrollLeft, scroller.clientWidth),
    somewhere(scroller.scrollTop, scroller.clientHeight),
  );
});

window.addEventListener("resize", () => { if (whales !== null) growSea(); });

showConnected(false);
keepPolling();
