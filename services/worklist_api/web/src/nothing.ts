/** Stands for Node's modules that the codecs name and never use in a browser. */
export default {};
