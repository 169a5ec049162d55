/* Fills in where this phone is, when its owner asks for that. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("locate");
  if (!button || !navigator.geolocation) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        document.getElementById("latitude").value = coords.latitude.toFixed(6);
        document.getElementById("longitude").value = coords.longitude.toFixed(6);
        document.getElementById("accuracy").value = Math.round(coords.accuracy);
        const place = document.getElementById("place");
        if (!("stay" in place.dataset)) place.submit();
      },
      (error) => { button.textContent = error.message; },
      { enableHighAccuracy: true, timeout: 20000 },
    );
  });
});
