// Sends the answer on its way; without JavaScript the Continue button does the same.
HTMLFormElement.prototype.submit.call(document.getElementById("form-post"));
