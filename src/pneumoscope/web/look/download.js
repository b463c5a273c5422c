// Hands a text that the server has written to the browser as a file.
watch("value", () => {
  const file = props.value;
  if (!file) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([file.text], { type: file.type }));
  link.download = file.name;
  link.click();
  URL.revokeObjectURL(link.href);
});
