element.addEventListener("click", (event) => {
  if (event.target.closest(".enlarge") === null) return;
  if (document.fullscreenElement === null) element.querySelector(".viewer").requestFullscreen?.();
  else document.exitFullscreen();
});
