startFigures();
startCells();
