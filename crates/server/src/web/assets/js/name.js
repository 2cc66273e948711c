// What its owner calls this install.
export const instanceName = document.querySelector('meta[name="instance-name"]').content;
