element.querySelector(".shade").addEventListener("click", () => document.body.classList.toggle("dark"));
