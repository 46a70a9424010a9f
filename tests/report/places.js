// Returns per mark of a three-dimensional scatter of plotly.js where it is on the screen, and its test image.
space => {
  const {glplot, dataScale, container} = space._fullLayout.scene._scene, {model, view, projection} = glplot.cameraParams;
  const times = (matrix, vector) => [0, 1, 2, 3].map(row => [0, 1, 2, 3].reduce((sum, at) => sum + matrix[at * 4 + row] * vector[at], 0));
  const box = container.getBoundingClientRect();
  return space.data.flatMap(trace => trace.x.map((x, index) => {
    const point = [x * dataScale[0], trace.y[index] * dataScale[1], trace.z[index] * dataScale[2], 1];
    const [left, top, , depth] = times(projection, times(view, times(model, point)));
    return {row: trace.customdata[index], x: box.left + box.width * (1 + left / depth) / 2, y: box.top + box.height * (1 - top / depth) / 2};
  }));
}
