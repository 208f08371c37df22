mod bounds;
mod encoders;
mod matrix;
mod measure;
mod plain;
